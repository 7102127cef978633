# The package set of nixpkgs. The interface is that of ../README.md.
{
  system ? builtins.currentSystem,
  nixpkgs ? import ./source.nix,
}:
let
  pkgs = import nixpkgs {
    inherit system;
    config = { };
    overlays = [ ];
  };
  inherit (builtins) listToAttrs;

  # What this revision of nixpkgs has of these; old ones leave it after their end of life.
  present =
    names:
    listToAttrs (
      map (name: {
        inherit name;
        value = pkgs.${name};
      }) (builtins.filter (name: (builtins.tryEval (pkgs ? ${name} && pkgs.${name} ? version)).value) names)
    );
  languages = {
    python = present [
      "python310"
      "python311"
      "python312"
      "python313"
      "python314"
    ];
    node = present [
      "nodejs_20"
      "nodejs_22"
      "nodejs_24"
    ];
    go = present [
      "go_1_24"
      "go_1_25"
      "go_1_26"
    ];
    ruby = present [
      "ruby_3_2"
      "ruby_3_3"
      "ruby_3_4"
    ];
    php = present [
      "php82"
      "php83"
      "php84"
    ];
    rust.rust =
      pkgs.symlinkJoin {
        name = "rust-${pkgs.rustc.version}";
        paths = [
          pkgs.rustc
          pkgs.cargo
        ];
      }
      // {
        inherit (pkgs.rustc) version;
      };
  };
in
languages.python
// languages.node
// languages.go
// languages.ruby
// languages.php
// languages.rust
// {
  name = "nixpkgs";
  inherit system;
  run = import ../run.nix {
    inherit system;
    inherit (pkgs) busybox;
  };

  inherit (pkgs)
    bash
    bubblewrap
    busybox
    caddy
    coreutils
    go
    php
    ruby
    tzdata
    uv
    ;
  inherit (pkgs.phpPackages) composer;
  cc = pkgs.symlinkJoin {
    name = "cc";
    paths = [
      pkgs.stdenv.cc
      pkgs.gnumake
    ];
  };
  glibc = pkgs.stdenv.cc.libc;
  # with the certificates where the set `debian` has them
  cacert = pkgs.cacert;
  libraries = [
    pkgs.stdenv.cc.libc
    pkgs.stdenv.cc.cc.lib
    pkgs.zlib
  ];
  python = pkgs.python3;
  # pip, run as a program: python3 ${pip}/pip
  pip = pkgs.runCommand "pip-source" { } ''
    mkdir $out
    cp -r ${pkgs.python3Packages.pip}/${pkgs.python3.sitePackages}/pip $out/pip
  '';

  versions = builtins.mapAttrs (_: builtins.mapAttrs (_: package: package.version)) languages;
  named = pkgs;
  find =
    name:
    let
      parts = builtins.filter builtins.isString (builtins.split "\\." name);
      found = builtins.foldl' (
        set: part: if builtins.isAttrs set then set.${part} or null else null
      ) pkgs parts;
      package = builtins.tryEval (if found ? outPath then found else null);
    in
    if package.success then package.value else null;
  listed = [ ];
  # a cache has what they are made of
  sources = [ ];
}
