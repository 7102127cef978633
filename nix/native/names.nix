# The names of the packages that a repository may use, one a line.
{ request }:
{
  names = builtins.concatStringsSep "\n" (
    builtins.attrNames (import ./context.nix { inherit request; }).pkgs
  );
}
