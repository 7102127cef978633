# A repository that describes itself in Nix → one derivation, which the panel builds and wraps.
#
# request: a JSON file { kind, set, system, root, imports, revision }, written by
# apps/builds/builders/nix/evaluation.py. Evaluated in a sandbox without network, restricted to
# the repository, this folder and the package set.
{ request }:
let
  context = import ./context.nix { inherit request; };
  inherit (context)
    lib
    pkgs
    refuse
    root
    set
    wish
    ;
  described = {
    devenv = import ../devenv {
      inherit
        lib
        pkgs
        refuse
        root
        ;
      inherit (wish) imports;
      select = import ./select.nix { inherit lib refuse set; };
    };
    flake = import ./from-flake.nix {
      inherit
        lib
        pkgs
        refuse
        root
        ;
      inherit (wish) revision system;
    };
    default = import ./from-default.nix {
      inherit
        lib
        pkgs
        refuse
        root
        ;
      inherit (wish) system;
    };
  };
in
import ./result.nix {
  inherit
    lib
    pkgs
    refuse
    set
    ;
} described.${wish.kind}
