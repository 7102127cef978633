# The outputs of flake.nix with a stand-in of nixpkgs, whose packages are what they are made of.
let
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  lib = {
    genAttrs =
      names: function:
      builtins.listToAttrs (
        map (name: {
          inherit name;
          value = function name;
        }) names
      );
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
    fetchers.proxyImpureEnvVars = [ "https_proxy" ];
  };
  packagesOf =
    system:
    let
      named = name: {
        type = "derivation";
        inherit name;
        outPath = "/stub/${name}";
      };
      pkgs = lib.genAttrs [
        "autoPatchelfHook"
        "bashInteractive"
        "bubblewrap"
        "cacert"
        "caddy"
        "coreutils"
        "git"
        "nix"
        "postgresql_15"
        "redis"
        "util-linux"
        "uv"
        "zlib"
      ] named
      // {
        inherit lib;
        python311 = named "python311" // {
          pkgs.setuptools = named "setuptools";
          sitePackages = "lib/python3.11/site-packages";
          withPackages = function: named "python-with-${
            toString (map (one: one.name) (function (lib.genAttrs [ "pip" "setuptools" ] named)))
          }";
        };
        stdenv = {
          hostPlatform = { inherit system; };
          cc.cc.lib = named "gcc-lib";
          mkDerivation = attributes: attributes // { outPath = "/stub/${attributes.name or attributes.pname}"; };
        };
        dockerTools = {
          fakeNss = named "fakeNss";
          usrBinEnv = named "usrBinEnv";
          buildLayeredImage = attributes: attributes // { outPath = "/stub/image"; };
        };
        mkShellNoCC = attributes: attributes;
        callPackage =
          file: given:
          let
            function = import file;
            wanted = builtins.functionArgs function;
            missing = builtins.filter (name: !(pkgs ? ${name} || given ? ${name})) (builtins.attrNames wanted);
          in
          if missing == [ ] then
            function (builtins.intersectAttrs wanted (pkgs // given))
          else
            throw "nixpkgs is asked for ${toString missing}";
      };
    in
    pkgs;
  outputs = (import ../flake.nix).outputs {
    self = outputs;
    nixpkgs = {
      inherit lib;
      legacyPackages = lib.genAttrs systems packagesOf;
    };
  };
  of = system: {
    panel = {
      inherit (outputs.packages.${system}.panel) pname version installPhase;
      source = builtins.unsafeDiscardStringContext outputs.packages.${system}.panel.src;
    };
    image = {
      inherit (outputs.packages.${system}.image) name tag config;
      contents = map (one: one.outPath) outputs.packages.${system}.image.contents;
    };
    default = outputs.packages.${system}.default.outPath;
    shell = map (one: one.name) outputs.devShells.${system}.default.packages;
  };
in
{
  modules = builtins.mapAttrs (_: module: toString (module.imports or module)) outputs.nixosModules;
  systems = lib.genAttrs systems of;
}
