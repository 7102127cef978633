{
  description = "paas: the panel, its NixOS modules, and the tools that `make up` needs on NixOS";

  # nixos-26.05 of 2026-09-25 (26.05.10620); flake.lock has the hash of its contents.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/f5c082a40f7571c266e74e80ae2e68aadd8a9fc7";

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
      # services.paas, services.paas-k3s-node, services.paas-upload-builds
      nixosModules = {
        paas = ./modules/paas.nix;
        k3s-node = ./modules/k3s-node.nix;
        post-build-hook = ./modules/post-build-hook.nix;
        default = {
          imports = [
            ./modules/paas.nix
            ./modules/k3s-node.nix
            ./modules/post-build-hook.nix
          ];
        };
      };

      packages = forEachSystem (pkgs: rec {
        panel = pkgs.callPackage ./panel { };
        # docker load < $(nix build --print-out-paths ./nix#image), in place of the Dockerfile's
        image = pkgs.callPackage ./panel/image.nix { inherit panel; };
        default = panel;
      });

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
