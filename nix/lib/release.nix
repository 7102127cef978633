# The release root: one path whose closure is all that the app needs to run.
#
#   app                the app's tree, which becomes /app
#   root/              what stands at `/`, as links into the store
#   environment.json   variables of every process, PATH among them
#   bin/start          entrypoint: fills /app and runs a command line, given as one argument
#   processes/<type>   entrypoint of a process type
#   commands/<type>    its command line
{
  pkgs,
  base,
  app,
  environment,
  processes,
  places, # [ { path, target } ]: what else stands below /deps
}:
let
  inherit (builtins) attrNames attrValues toJSON;
  texts = import ./texts.nix {
    type = attrNames processes;
    command = attrValues processes;
    mount = map (one: one.path) places;
    target = map (one: one.target) places;
  };
in
pkgs.run (
  texts
  // {
    name = "release";
    inherit app base;
    inherit (pkgs) busybox;
    environment = toJSON environment;
    passAsFile = texts.passAsFile ++ [ "environment" ];
    script = ''
      . ${./texts.sh}
      . ${./release.sh}
    '';
  }
)
