# language → version → where it was asked → the newest package of it that the set has.
{
  lib,
  refuse,
  set,
}:
language: version: asked:
let
  name = { javascript = "node"; }.${language} or language;
  versions = set.versions.${name} or { };
  fits = attribute: _: version == null || lib.hasPrefix "${version}." "${versions.${attribute}}.";
  fitting = builtins.sort (a: b: lib.versionOlder versions.${b} versions.${a}) (
    builtins.attrNames (lib.filterAttrs fits versions)
  );
in
if fitting == [ ] then
  refuse {
    what = "there is no ${language} ${toString version} here";
    why = "The package set ${set.name} has ${
      lib.concatStringsSep ", " (builtins.attrValues versions)
    }.";
    fix = "Set ${asked} to one of these, or to its beginning.";
    file = "devenv.nix";
  }
else
  set.${builtins.head fitting} // { version = versions.${builtins.head fitting}; }
