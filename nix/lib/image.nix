# The image in nix-snapshotter's format. It mentions its own path, so it must be made here; its
# configuration is no part of what is mounted (nix-snapshotter 0.3 stumbles over files).
{
  pkgs,
  release,
  image, # OCI's "config" without Entrypoint, Cmd and Env
  annotations, # "both" or "closure"
  environment,
  web, # command line of the process that serves; null without one
}:
let
  inherit (builtins) attrNames toJSON;
  config = toJSON {
    inherit annotations;
    image = image // {
      Entrypoint = [ "${release}/bin/start" ];
      Cmd = if web == null then [ ] else [ web ];
      Env = map (name: "${name}=${environment.${name}}") (attrNames environment);
    };
  };
in
pkgs.run {
  name = "nix-image-app.tar";
  # nix-snapshotter 0.3 and newer read what to mount from the second, `store-paths` in it
  outputs = [
    "out"
    "closure"
  ];
  inherit config release;
  passAsFile = [ "config" ];
  exportReferencesGraph = [
    "graph"
    release
  ];
  path = [ pkgs.python ];
  script = ''
    mkdir $closure
    grep '^/nix/store/' graph | grep -v '\.drv$' | sort -u > $closure/store-paths
    python3 -I ${./image.py} $out $configPath $closure/store-paths $release/root $closure
  '';
}
