# nixpkgs as the flake's lock pins it, for those who do not come through the flake.
let
  lock = builtins.fromJSON (builtins.readFile ../../flake.lock);
  inherit (lock.nodes.nixpkgs) locked;
in
fetchTarball {
  url = "https://github.com/${locked.owner}/${locked.repo}/archive/${locked.rev}.tar.gz";
  sha256 = locked.narHash;
}
