# The values of modules/paas.nix under some definitions.
{ definitions }:
let
  package = name: {
    type = "derivation";
    inherit name;
    outPath = "/nix/store/the-${name}";
  };
in
(import ./stub-lib.nix).evaluate {
  module = ../modules/paas.nix;
  at = [
    "services"
    "paas"
  ];
  definitions = builtins.fromJSON definitions;
  config.nix.package = package "nix";
  pkgs = {
    callPackage = _: _: package "panel";
    bubblewrap = package "bubblewrap";
    caddy = package "caddy";
    git = package "git";
    postgresql = package "postgresql";
    redis = package "redis";
    util-linux = package "util-linux";
  };
}
