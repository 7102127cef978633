# What a repository's devenv.nix says, as JSON: packages by name.
{ root, request }:
let
  context = import ../../nix/native/context.nix { inherit request; };
  inherit (context) lib pkgs refuse set wish;
  described = import ../../nix/devenv {
    inherit lib pkgs refuse;
    inherit (wish) imports;
    root = /. + root;
    select = import ../../nix/native/select.nix { inherit lib refuse set; };
  };
  name = package: package.name;
in
described
// {
  packages = map name described.packages;
  languages = builtins.mapAttrs (
    _: one: one // { packages = map name one.packages; }
  ) described.languages;
  processes = builtins.mapAttrs (_: one: one // { exec = "${one.exec}"; }) described.processes;
  scripts = builtins.mapAttrs (
    _: one:
    one
    // {
      package = if one.package == null then null else name one.package;
      packages = map name one.packages;
    }
  ) described.scripts;
}
