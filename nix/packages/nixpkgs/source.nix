# nixpkgs as the flake's lock pins it, for those who do not come through the flake.
let
  file = ../../flake.lock;
  inherit ((builtins.fromJSON (builtins.readFile file)).nodes.nixpkgs) locked;
in
if builtins.pathExists file then
  fetchTarball {
    url = "https://github.com/${locked.owner}/${locked.repo}/archive/${locked.rev}.tar.gz";
    sha256 = locked.narHash;
  }
else
  throw "nixpkgs is not pinned here: run `nix --extra-experimental-features 'nix-command flakes' flake lock ./nix` where it can be reached, or set PAAS_NIX_PACKAGES=debian"
