# The options of devenv that mean something here, and those that are known and ignored.
#
# `tools` is { modules, refuse, pkgs, select }: the module system; refusals; the package set; and
# name → version → package, for the languages of which an app may ask for a version.
tools:
let
  inherit (tools) modules pkgs select refuse;
  inherit (modules) mkOption submodule types;
  inherit (builtins) listToAttrs mapAttrs;

  option = type: default: mkOption { inherit type default; };
  text = option (types.nullOr types.str) null;
  flag = option types.bool false;

  # For a developer's shell; its value is the files that set it.
  ignored = mkOption { ignored = true; };
  ignore = names: listToAttrs (map (name: { inherit name; value = ignored; }) names);

  # What is set must not be passed over in silence: it would change what is built.
  unsupported = why: mkOption {
    default = null;
    type = {
      name = "nothing";
      check = _: true;
      merge =
        path: definitions:
        let
          inherit (builtins.head definitions) file;
        in
        refuse {
          what = "${builtins.concatStringsSep "." path} is not supported";
          inherit why file;
          fix = "Delete it from ${file}.";
        };
    };
  };

  package =
    attribute:
    option types.package (
      pkgs.${attribute} or (refuse {
        what = "there is no package ${attribute}";
        why = "The package set of this server does not have it, and a language needs it.";
        fix = "Delete the language, or set its `package`.";
        name = attribute;
        known = builtins.attrNames pkgs;
      })
    );
  language = attribute: {
    enable = flag;
    package = package attribute;
  } // ignore [ "lsp" "dev" "debugger" "formatter" "linter" ];
  # A language of which the set may have several versions; the newest is the default.
  versioned = name: attribute: language attribute // {
    package = option (types.nullOr types.package) null;
    version = text;
  };
  tool = attribute: {
    enable = flag;
    package = option (types.nullOr types.package) null;
  };

  # Whether it is enabled; what else is set configures a server that runs elsewhere.
  service = {
    name = "a set";
    check = builtins.isAttrs;
    merge =
      path: definitions:
      (modules.evaluate path { enable = flag; } (map (one: one // { value = onlyEnable one.value; }) definitions)).enable;
  };
  onlyEnable = value: builtins.intersectAttrs { enable = null; } value;

  languages = mapAttrs (_: language) {
    c = "gcc";
    clojure = "clojure";
    cplusplus = "gcc";
    crystal = "crystal";
    dart = "dart";
    deno = "deno";
    dotnet = "dotnet-sdk";
    elixir = "elixir";
    elm = "elm";
    erlang = "erlang";
    fortran = "gfortran";
    gleam = "gleam";
    haskell = "ghc";
    java = "jdk";
    julia = "julia";
    kotlin = "kotlin";
    lua = "lua";
    nim = "nim";
    ocaml = "ocaml";
    odin = "odin";
    perl = "perl";
    r = "R";
    racket = "racket";
    raku = "rakudo";
    rust = "rustc";
    scala = "scala";
    swift = "swift";
    typescript = "typescript";
    unison = "unison-ucm";
    vala = "vala";
    zig = "zig";
  };
in
{
  name = text;
  packages = option (types.listOf types.package) [ ];
  env = option (types.lazyAttrsOf types.variable) { };
  processes = option (types.attrsOf (submodule (_: {
    exec = mkOption { type = types.either types.str types.path; };
    cwd = text;
    env = option (types.lazyAttrsOf types.variable) { };
  } // ignore [
    "after"
    "before"
    "description"
    "linux"
    "listen"
    "notify"
    "ports"
    "process-compose"
    "ready"
    "restart"
    "start"
    "use_sudo"
    "watch"
  ]))) { };
  scripts = option (types.attrsOf (submodule (_: {
    exec = mkOption { type = types.either types.str types.path; };
    package = option (types.nullOr types.package) null;
    binary = text;
    packages = option (types.listOf types.package) [ ];
  } // ignore [ "description" ]))) { };

  languages = languages // {
    python = versioned "python" "python3" // {
      directory = option types.str ".";
      venv = {
        enable = flag;
        requirements = option (types.nullOr (types.either types.lines types.path)) null;
      } // ignore [ "quiet" ];
      uv = tool "uv" // {
        sync = {
          enable = flag;
        } // ignore [ "allExtras" "allGroups" "allPackages" "arguments" "extras" "groups" "package" "packages" ];
      };
      poetry = tool "poetry" // {
        install = {
          enable = flag;
        } // ignore [ "allExtras" "allGroups" "arguments" "compile" "extras" "groups" "ignoredGroups" "installRootPackage" "onlyGroups" "onlyInstallRootPackage" "quiet" "verbosity" ];
        activate = ignored;
      };
    } // ignore [ "import" "libraries" "manylinux" "patches" ];
    javascript = versioned "node" "nodejs" // {
      directory = option types.str ".";
      npm = tool "nodejs" // { install.enable = flag; };
      pnpm = tool "pnpm" // { install.enable = flag; };
      yarn = tool "yarn" // { install.enable = flag; };
      bun = tool "bun" // { install.enable = flag; };
      corepack = ignored;
    };
    go = versioned "go" "go" // ignore [ "delve" "enableHardeningWorkaround" ];
    ruby = versioned "ruby" "ruby" // {
      bundler = tool "bundler";
    } // ignore [ "documentation" "versionFile" ];
    php = versioned "php" "php" // {
      extensions = unsupported "The PHP of the package set comes with its extensions.";
    } // ignore [ "disableExtensions" "fpm" "ini" "packages" ];
    # languages in which apps are described, not written
    nix = ignored;
    shell = ignored;
    terraform = ignored;
    opentofu = ignored;
    ansible = ignored;
    helm = ignored;
    jsonnet = ignored;
    cue = ignored;
    texlive = ignored;
  };

  services = listToAttrs (
    map (name: { inherit name; value = option service false; }) (import ./services.nix)
  );

  # Where devenv keeps its things; exec and env may mention them.
  devenv = {
    root = option types.str "/app";
    dotfile = option types.str "/app/.devenv";
    state = option types.str "/app/.devenv/state";
    runtime = option types.str "/tmp";
    tmpdir = option types.str "/tmp";
  } // ignore [ "cli" "debug" "flakesIntegration" "isTesting" "latestVersion" "warnOnNewVersion" ];

  overlays = unsupported "Packages are those of this server's set, as they are.";
}
// ignore [
  "android"
  "apple"
  "aws-vault"
  "cachix"
  "certificates"
  "changelogs"
  "claude"
  "containers"
  "delta"
  "devcontainer"
  "difftastic"
  "dotenv"
  "enterShell"
  "enterTest"
  "files"
  "git-hooks"
  "google-cloud-sdk"
  "hardeningDisable"
  "hosts"
  "hostsProfileName"
  "infoSections"
  "outputs"
  "pre-commit"
  "process"
  "process-managers"
  "profiles"
  "starship"
  "stdenv"
  "task"
  "tasks"
  "test"
  "treefmt"
  "unsetEnvVars"
]
