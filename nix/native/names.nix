# The names of the packages that a repository may use, one a line.
{ request }:
builtins.concatStringsSep "\n" (builtins.attrNames (import ./context.nix { inherit request; }).pkgs)
