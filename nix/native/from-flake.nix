# flake.nix: `outputs` called by us, not by Nix' flake commands, which would want the network
# and would obey the flake's nixConfig. The only input there is, is the package set.
{
  lib,
  pkgs,
  refuse,
  revision,
  root,
  system,
}:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    functionArgs
    fromJSON
    isAttrs
    isFunction
    pathExists
    readFile
    ;
  file = "flake.nix";
  flake = import (root + "/flake.nix");
  lock =
    if pathExists (root + "/flake.lock") then fromJSON (readFile (root + "/flake.lock")) else { };
  nodes = lock.nodes or { };
  pinned = nodes.${lock.root or "root"}.inputs or { };

  sets = {
    nixpkgs = {
      inherit lib;
      legacyPackages.${system} = pkgs;
      outPath = toString ../packages;
      _type = "flake";
    };
    systems = {
      outPath = ./systems.nix;
      __toString = _: toString ./systems.nix;
    };
    flake-utils = import ./flake-utils.nix { inherit lib system; };
  };
  # What an input is, by where its lock or flake.nix takes it from.
  sourceOf =
    name:
    let
      node = pinned.${name} or name;
      original = if builtins.isString node then nodes.${node}.original or { } else { };
      input = (flake.inputs or { }).${name} or { };
      url = input.url or (if repo != "" then "" else "flake:${name}");
      repo = input.repo or original.repo or original.id or "";
    in
    {
      inherit repo url;
      from =
        if url != "" then
          url
        else
          concatStringsSep "/" (filter (part: part != "") [ (input.owner or original.owner or "") repo ]);
    };
  # `nixpkgs` of whatever branch, and the two helpers that most flakes use, are played by ours.
  standsFor =
    name:
    let
      source = sourceOf name;
      is =
        known:
        source.repo == known || builtins.match "(.*[:/])?${known}([/?].*)?" source.url != null;
    in
    if is "nixpkgs" || is "devenv-nixpkgs" then
      sets.nixpkgs
    else if is "flake-utils" then
      sets.flake-utils
    else if is "default" || is "systems" then
      sets.systems
    else
      null;
  inputNames = attrNames (
    flake.inputs or { } // removeAttrs (functionArgs flake.outputs) [ "self" ]
  );
  # Refused when it is used: an input for developers alone is no hindrance.
  inputs = lib.genAttrs inputNames (
    name:
    let
      stand = standsFor name;
    in
    if stand != null then
      stand
    else
      refuse {
        what = "the input ${name} cannot be had";
        why = "It is ${(sourceOf name).from}, and flakes are evaluated without a network: only nixpkgs (this server's package set), flake-utils and systems are at hand.";
        fix = "Do without ${name} for the app's package, or copy what you need into the repository.";
        inherit file;
      }
  );
  sourceInfo = {
    outPath = root;
    lastModified = 1;
    lastModifiedDate = "19700101000001";
    rev = revision;
    shortRev = builtins.substring 0 7 revision;
  };
  self =
    outputs
    // sourceInfo
    // {
      inherit inputs outputs sourceInfo;
      _type = "flake";
    };
  outputs = flake.outputs (inputs // { inherit self; });

  packages = outputs.packages.${system} or { };
  legacy = outputs.legacyPackages.${system} or { };
  apps = outputs.apps.${system} or { };
  isPackage = value: isAttrs value && value.type or "" == "derivation";
  candidates = [
    (packages.paas or null)
    (legacy.paas or null)
    (packages.default or null)
    (outputs.defaultPackage.${system} or null)
  ];
  found = lib.findFirst isPackage null candidates;
  app = apps.paas or apps.default or null;
in
if !isAttrs flake || !isFunction (flake.outputs or null) then
  refuse {
    what = "has no outputs";
    why = "A flake is a set with a function `outputs`.";
    fix = "Write outputs = { self, nixpkgs }: { packages.${system}.default = …; };";
    inherit file;
  }
else if found == null then
  refuse {
    what = "has no package for an app";
    why = "Looked for are packages.${system}.paas and packages.${system}.default. There are: ${concatStringsSep ", " (lib.take 20 (attrNames outputs))}.";
    fix = "Add packages.${system}.default, a package with the app's program in bin/.";
    inherit file;
  }
else
  import ./program.nix { inherit lib refuse; } {
    inherit file;
    package = found;
    program = if isAttrs app then app.program or null else null;
  }
