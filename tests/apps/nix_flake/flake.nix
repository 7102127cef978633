{
  description = "A web server that its flake packages";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    flake-utils.url = "github:numtide/flake-utils";
    # for developers alone: the app's package does not use it
    treefmt-nix.url = "github:numtide/treefmt-nix";
  };

  outputs =
    {
      self,
      nixpkgs,
      flake-utils,
      treefmt-nix,
    }:
    flake-utils.lib.eachDefaultSystem (
      system:
      let
        pkgs = nixpkgs.legacyPackages.${system};
      in
      {
        formatter = treefmt-nix.lib.mkWrapper pkgs ./treefmt.nix;

        packages.default = pkgs.writeShellApplication {
          name = "hello-flake";
          runtimeInputs = [ pkgs.python3 ];
          text = ''
            exec python3 -u ${self}/hello.py "$PORT"
          '';
        };
      }
    );
}
