# The functions of flake-utils that flakes of apps use, for one system.
{ lib, system }:
let
  perSystem = function: builtins.mapAttrs (_: value: { ${system} = value; }) (function system);
in
{
  lib = {
    inherit system;
    defaultSystems = [ system ];
    allSystems = [ system ];
    eachDefaultSystem = perSystem;
    eachSystem = systems: function: if builtins.elem system systems then perSystem function else { };
    mkApp =
      {
        drv,
        name ? drv.pname or drv.name,
        exePath ? drv.passthru.exePath or "/bin/${name}",
      }:
      {
        type = "app";
        program = "${drv}${exePath}";
      };
    flattenTree = tree: tree;
  };
}
