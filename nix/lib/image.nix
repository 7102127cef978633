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
  closure = pkgs.run {
    name = "closure-info";
    exportReferencesGraph = [
      "graph"
      release
    ];
    script = ''
      mkdir $out
      grep '^/nix/store/' graph | grep -v '\.drv$' | sort -u > $out/store-paths
    '';
  };
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
  inherit config closure release;
  passAsFile = [ "config" ];
  path = [ pkgs.python ];
  script = ''
    python3 -I ${./image.py} $out $configPath $closure/store-paths $release/root $closure
  '';
}
