# The values of modules/post-build-hook.nix under some definitions.
{ definitions }:
(import ./stub-lib.nix).evaluate {
  module = ../modules/post-build-hook.nix;
  at = [
    "services"
    "paas-upload-builds"
  ];
  definitions = builtins.fromJSON definitions;
  config.nix.package = "/nix/store/the-nix";
  pkgs = {
    runtimeShell = "/bin/sh";
    writeShellScript = name: text: { inherit name text; };
  };
}
