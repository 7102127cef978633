# Evaluates a repository's devenv.nix, with the modules it imports, against a package set.
#
# root: the repository. imports: what devenv.yaml imports, as paths relative to it.
# pkgs, select: the package set, and language → version → package of it.
#
# Returns what ../native/result.nix takes.
{
  root,
  imports ? [ ],
  pkgs,
  lib,
  select,
  refuse,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    mapAttrs
    ;
  properties = import ./properties.nix;
  modules = import ./modules.nix { inherit refuse; };
  ours = import ./options.nix { inherit modules pkgs refuse select; };

  moduleLib = lib // {
    inherit (properties)
      mkAfter
      mkBefore
      mkDefault
      mkForce
      mkIf
      mkMerge
      mkOrder
      mkOverride
      ;
    inherit (modules) mkOption types;
    mkEnableOption = _: modules.mkOption {
      type = modules.types.bool;
      default = false;
    };
    literalExpression = text: text;
  };

  loaded =
    modules.load
      {
        inherit root;
        arguments = {
          inherit config pkgs;
          lib = moduleLib;
          inputs.nixpkgs = {
            legacyPackages.${pkgs.system} = pkgs;
            lib = moduleLib;
            outPath = pkgs.path or (toString ./.);
          };
        };
      }
      "devenv.nix"
      ([ (root + "/devenv.nix") ] ++ map (path: root + "/${path}") imports);
  options = modules.joined loaded.options ours;
  definitions = loaded.definitions ++ [ facts ];
  # What modules may read and nobody needs to set.
  facts = {
    file = "devenv";
    value.env = mapAttrs (_: properties.mkDefault) {
      DEVENV_ROOT = config.devenv.root;
      DEVENV_DOTFILE = config.devenv.dotfile;
      DEVENV_STATE = config.devenv.state;
      DEVENV_RUNTIME = config.devenv.runtime;
    };
  };
  config = modules.evaluate [ ] options definitions;

  # The options in `tree` that are ignored and set, as "enterShell (devenv.nix)".
  ignoredIn =
    path: tree: values:
    concatMap (
      name:
      let
        option = tree.${name};
        here = path ++ [ name ];
      in
      if !(option ? _type) then
        ignoredIn here option values.${name}
      else if option.ignored or false && values.${name} != [ ] then
        [ "${builtins.concatStringsSep "." here} (${builtins.head values.${name}})" ]
      else
        [ ]
    ) (attrNames tree);

  ignoredNames = values: filter (name: builtins.isList values.${name}) (attrNames values);
  ignoredOf =
    name:
    let
      process = config.processes.${name};
      set = filter (key: process.${key} != [ ]) (ignoredNames process);
    in
    map (key: "processes.${name}.${key} (${builtins.head process.${key}})") set;

  languages = lib.filterAttrs (_: language: language.enable or false) (
    removeAttrs config.languages (ignoredNames config.languages)
  );

  # A text, as the shell of devenv would have it; null leaves the variable out.
  variable =
    value:
    if builtins.isPath value then
      "${value}"
    else if value == true then
      "1"
    else
      toString value;
  variables = values: mapAttrs (_: variable) (lib.filterAttrs (_: value: value != null) values);

  packageOf =
    name: language:
    if language.package != null then
      language.package
    else
      select name (language.version or null) "languages.${name}.version";
  toolsOf =
    language:
    concatMap (
      name:
      let
        tool = language.${name};
      in
      if tool ? enable && tool ? package && tool.enable && tool.package != null then
        [ tool.package ]
      else
        [ ]
    ) (filter (name: builtins.isAttrs language.${name} && !modules.isDerivation language.${name}) (attrNames language));

  relative =
    path: if builtins.isPath path then lib.removePrefix "${toString root}/" (toString path) else path;

  # How a language's dependencies come in, where devenv would have installed them.
  dependencies = {
    python =
      python:
      if python.uv.sync.enable then
        "uv"
      else if python.poetry.install.enable then
        "poetry"
      else if python.venv.enable && python.venv.requirements != null then
        "requirements"
      else
        "";
    javascript =
      javascript:
      let
        asked = filter (name: javascript.${name}.install.enable) [ "npm" "pnpm" "yarn" "bun" ];
      in
      if asked == [ ] then "" else builtins.head asked;
    ruby = ruby: if ruby.bundler.enable then "bundler" else "";
  };
  describe =
    name: language:
    {
      packages = [ (packageOf name language) ] ++ toolsOf language;
      version = (packageOf name language).version or language.version or null;
      dependencies = (dependencies.${name} or (_: "")) language;
      directory = language.directory or ".";
    }
    // lib.optionalAttrs (name == "python" && language.venv.requirements != null) (
      let
        given = language.venv.requirements;
      in
      if builtins.isPath given then { file = relative given; } else { text = toString given; }
    );
in
assert modules.check options loaded.definitions config;
{
  inherit (config) packages;
  environment = variables config.env;
  processes = mapAttrs (_: process: {
    inherit (process) exec;
    cwd = if process.cwd == null then "." else process.cwd;
    environment = variables process.env;
  }) config.processes;
  scripts = mapAttrs (_: script: removeAttrs script [ "description" ]) config.scripts;
  languages = mapAttrs describe languages;
  services = filter (name: config.services.${name}) (attrNames config.services);
  ignored = ignoredIn [ ] ours config ++ concatMap ignoredOf (attrNames config.processes);
}
