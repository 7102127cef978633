# default.nix: a function of { pkgs, lib, system, … }, or a set, that gives the app's package.
{
  lib,
  pkgs,
  refuse,
  root,
  system,
}:
let
  inherit (builtins) attrNames concatStringsSep filter head isAttrs isFunction;
  file = "default.nix";
  given = { inherit lib pkgs system; };
  expression = import (root + "/default.nix");
  wanted = builtins.functionArgs expression;
  missing = filter (name: !wanted.${name} && !(given ? ${name})) (attrNames wanted);
  value =
    if !isFunction expression then
      expression
    else if missing != [ ] then
      refuse {
        what = "asks for the argument ${head missing}";
        why = "It is called with ${concatStringsSep ", " (attrNames given)}.";
        fix = "Give ${head missing} a default, or take it from pkgs.";
        inherit file;
      }
    else
      expression (builtins.intersectAttrs wanted given);
  isPackage = value: isAttrs value && value.type or "" == "derivation";
  chosen = lib.findFirst (name: isPackage (value.${name} or null)) null [ "paas" "default" "app" ];
in
import ./program.nix { inherit lib refuse; } {
  inherit file;
  package =
    if isPackage value then
      value
    else if isAttrs value && chosen != null then
      value.${chosen}
    else
      refuse {
        what = "gives no package";
        why =
          if isAttrs value then
            "It gives a set with ${concatStringsSep ", " (lib.take 20 (attrNames value))}."
          else
            "It gives a ${builtins.typeOf value}.";
        fix = "Let it give a package, or a set with one called paas, default or app.";
        inherit file;
      };
}
