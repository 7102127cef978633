{
  description = "paas: the tools that `make up` and `make test` need on NixOS";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem =
        function: nixpkgs.lib.genAttrs systems (system: function nixpkgs.legacyPackages.${system});
    in
    {
      # nix develop ./nix
      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShellNoCC {
          packages = [
            pkgs.bubblewrap
            pkgs.caddy
            pkgs.python311
            pkgs.redis
            pkgs.uv
          ];
        };
      });
    };
}
