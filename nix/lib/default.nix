# From a job (a JSON file that the panel writes) to what runs. User text comes in through
# `builtins.fromJSON` and goes on in files; see docs/nix.md for the steps and the job's fields.
{
  job,
  set,
}:
let
  inherit (builtins)
    concatStringsSep
    elem
    filter
    fromJSON
    readFile
    storePath
    ;
  wanted = fromJSON (readFile job);
  pkgs = import (../packages + "/${set}") { };
  base = import ./base.nix { inherit pkgs; };
  sealed = import ./sealed.nix { inherit pkgs base; };

  tools = map (name: pkgs.${name}) wanted.toolchain ++ map pkgs.find wanted.packages;
  compilers = map (name: pkgs.${name}) wanted.compilers;
  libraries =
    map pkgs.find wanted.libraries ++ (if wanted.foreign then pkgs.libraries else [ ]);
  search = packages: concatStringsSep ":" (map (one: "${one}/bin") packages ++ [ "/bin" ]);
  first = wanted.paths ++ (if python == null then [ ] else [ "/deps/python/bin" ]);

  python =
    if wanted.python == null then
      null
    else
      import ./python.nix {
        inherit pkgs;
        interpreter = pkgs.${wanted.python.interpreter};
        wheels = map storePath wanted.python.wheels;
      };
  places =
    (
      if python == null then
        [ ]
      else
        [
          {
            path = python;
            target = "/deps/python";
          }
        ]
    )
    ++ map (one: one // { path = storePath one.path; }) wanted.places;

  # Variables of every process, in the build as in the running app.
  environment = {
    PATH = concatStringsSep ":" (first ++ [ (search tools) ]);
    SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt";
    TZDIR = "/usr/share/zoneinfo";
  }
  // (
    if libraries == [ ] then
      { }
    else
      { LD_LIBRARY_PATH = concatStringsSep ":" (map (one: "${one}/lib") libraries); }
  )
  // wanted.variables;
  variables = environment // {
    PATH = concatStringsSep ":" (first ++ [ (search (compilers ++ tools)) ]);
    HOME = "/app";
    SECRET_KEY = "only-for-this-build"; # builds see no config vars, and must be repeatable
  };

  # Steps that see the lock and its companions alone; a change of the source leaves them as they
  # are. The result has app/ and deps/, like a fetched layer.
  layer =
    name: step:
    sealed {
      inherit name;
      inherit (step) commands;
      inherit variables;
      tree = storePath step.files;
      # one file that mentions them all: a variable for each would be too many
      inputs = builtins.toFile "inputs" (concatStringsSep "\n" (map storePath step.inputs));
      # a path and a name a line, without spaces
      links = builtins.toFile "links" (
        concatStringsSep "" (map (one: "${storePath one.path} ${one.name}\n") step.links)
      );
      layers = map toLayer step.layers;
      mounts = places;
      kept = step.results;
      finish = ". ${./layer.sh}";
    };
  toLayer = toLayerNamed "dependencies";
  toLayerNamed =
    name: one:
    let
      path = if one ? path then storePath one.path else layer name one;
    in
    {
      inherit path;
      inherit (one) results;
      final =
        if one ? production then (toLayerNamed "dependencies-production" one.production).path else path;
    };
  layers = map toLayer wanted.layers;

  # a cache that begins with Go's standard library
  go = filter (name: builtins.match "go(_.*)?" name != null) wanted.compilers;
  goCache = import ./go.nix {
    inherit pkgs;
    go = pkgs.${builtins.head go};
  };

  app = sealed {
    name = "app";
    inherit (wanted) commands caches;
    seeds = map (name: if go != [ ] && name == ".cache/go-build" then goCache else "") wanted.caches;
    inherit variables layers;
    tree = builtins.path {
      name = "source";
      path = wanted.source;
    };
    mounts = places;
    interpreter = if python == null then "" else "${python}/bin/python";
    finish = ". ${./app.sh}";
  };

  release = import ./release.nix {
    inherit
      pkgs
      base
      app
      environment
      ;
    inherit (wanted) processes;
    places = places ++ deps;
  };
  # what the running app sees of the layers' folders below /deps
  deps = builtins.concatMap (
    one:
    map (target: {
      path = "${one.final}${target}";
      inherit target;
    }) (filter (result: elem result wanted.shown) one.results)
  ) layers;

  image = import ./image.nix {
    inherit
      pkgs
      release
      environment
      ;
    inherit (wanted) image annotations;
    web = wanted.processes.web or null;
  };
in
{
  inherit
    app
    base
    image
    release
    ;
  dependencies = if python != null then [ python ] else [ ] ++ map (one: one.path) layers;
}
