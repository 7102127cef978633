# The panel as a package: Python's packages by the hashes of requirements.lock, and the tree
# itself. Called with nixpkgs' packages (`pkgs.callPackage`); the programs that the lock has as
# wheels (Caddy, bubblewrap, Redis, uv) are nixpkgs' here, by the PATH of whoever starts it.
{
  lib,
  stdenv,
  python311,
  cacert,
  autoPatchelfHook,
  zlib,
}:
let
  project = (builtins.fromTOML (builtins.readFile ../../pyproject.toml)).project;
  lock = builtins.fromJSON (builtins.readFile ./wheels.lock.json);
  system = stdenv.hostPlatform.system;
  here =
    lock.systems.${system} or (throw "the panel is packaged for ${
      builtins.concatStringsSep " and " (builtins.attrNames lock.systems)
    }, not for ${system}; `./nix/panel/relock` adds one");
  tools = python311.withPackages (packages: [
    packages.pip
    packages.setuptools
  ]);

  # What pip fetches is decided by the lock's hashes, so the folder is always the same.
  wheels = stdenv.mkDerivation {
    name = "paas-wheels";
    dontUnpack = true;
    nativeBuildInputs = [
      tools
      cacert
    ];
    buildPhase = ''
      HOME=$PWD sh ${./wheels.sh} ${here.machine} ${../../requirements.lock} $out
    '';
    dontInstall = true;
    dontFixup = true;
    impureEnvVars = lib.fetchers.proxyImpureEnvVars;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = here.hash;
  };

  kept = [
    "apps"
    "buildpacks"
    "manage.py"
    "nix"
    "paas"
    "pyproject.toml"
    "static"
    "templates"
  ];
  top = toString ../..;
  source = builtins.path {
    name = "paas-source";
    path = ../..;
    filter =
      path: _:
      (builtins.any (name: lib.hasPrefix "${top}/${name}/" "${path}/") kept)
      && baseNameOf path != "__pycache__";
  };
in
stdenv.mkDerivation {
  pname = "paas-panel";
  inherit (project) version;
  src = source;
  nativeBuildInputs = [
    tools
    autoPatchelfHook
  ];
  buildInputs = [
    stdenv.cc.cc.lib
    zlib
  ];
  dontBuild = true;
  installPhase = ''
    runHook preInstall
    sh ${./install.sh} ${python311}/bin/python3 ${wheels} ${python311.pkgs.setuptools}/${python311.sitePackages} $out
    runHook postInstall
  '';
  meta = {
    description = "A self-hosted platform to push apps to";
    mainProgram = "paas-panel";
    platforms = builtins.attrNames lock.systems;
  };
}
