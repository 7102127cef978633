# The values of modules/k3s-node.nix under some definitions, on a host with some k3s.
{
  definitions,
  k3s ? ''{ "enable": true, "role": "agent" }'',
}:
(import ./stub-lib.nix).evaluate {
  module = ../modules/k3s-node.nix;
  at = [
    "services"
    "paas-k3s-node"
  ];
  definitions = builtins.fromJSON definitions;
  config = {
    nix.package = "/nix/store/the-nix";
    networking.hostName = "node-1";
    services.k3s = builtins.fromJSON k3s;
  };
  pkgs = {
    runtimeShell = "/bin/sh";
    coreutils = "/nix/store/the-coreutils";
  };
}
