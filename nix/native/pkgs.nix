# `pkgs` as files of apps know it: the set's packages and, where the set has none of its own,
# the functions of nixpkgs that make small packages.
{
  lib,
  refuse,
  set,
}:
let
  inherit (set) run system;
  versioned = builtins.listToAttrs (
    builtins.concatMap (
      versions:
      map (name: {
        inherit name;
        value = set.${name};
      }) (builtins.attrNames versions)
    ) (builtins.attrValues set.versions)
  );
  offline = name: _: refuse {
    what = "${name} wants to download something";
    why = "What a repository says in Nix is evaluated and built without a network.";
    fix = "Commit the file, or use a package of the set.";
  };

  pkgs = set.named // versioned // {
    inherit lib pkgs system;
    hostPlatform = stdenv.hostPlatform;
    inherit stdenv;
    stdenvNoCC = stdenv;
    callPackage = function: arguments: (called function) arguments;

    runCommand =
      name: attributes: script:
      stdenv.mkDerivation (attributes // { inherit name; buildCommand = script; });
    runCommandLocal = pkgs.runCommand;
    writeTextFile =
      {
        name,
        text,
        executable ? false,
        destination ? "",
        ...
      }:
      pkgs.runCommand name
        {
          inherit text destination;
          passAsFile = [ "text" ];
        }
        ''
          mkdir -p "$(dirname "$out$destination")"
          cp "$textPath" "$out$destination"
          ${lib.optionalString executable ''chmod +x "$out$destination"''}
        '';
    writeText = name: text: pkgs.writeTextFile { inherit name text; };
    writeTextDir =
      path: text:
      pkgs.writeTextFile {
        name = baseNameOf path;
        destination = "/${path}";
        inherit text;
      };
    writeScript = name: text: pkgs.writeTextFile { inherit name text; executable = true; };
    writeScriptBin =
      name: text:
      withProgram name (pkgs.writeTextFile {
        inherit name text;
        executable = true;
        destination = "/bin/${name}";
      });
    writeShellScript = name: text: pkgs.writeScript name (shell + text);
    writeShellScriptBin = name: text: pkgs.writeScriptBin name (shell + text);
    writeShellApplication =
      {
        name,
        text,
        runtimeInputs ? [ ],
        ...
      }:
      pkgs.writeShellScriptBin name ''
        set -o errexit -o nounset -o pipefail
        export PATH="${lib.makeBinPath runtimeInputs}:$PATH"
        ${text}
      '';
    symlinkJoin =
      {
        name,
        paths,
        postBuild ? "",
        ...
      }:
      pkgs.runCommand name { inherit paths postBuild; } ''
        mkdir -p $out
        for path in $paths; do
          cp -rsf $path/. $out/
          chmod -R u+w $out
        done
        eval "$postBuild"
      '';
    buildEnv = pkgs.symlinkJoin;
    mkShell = _: refuse {
      what = "a shell is no app";
      why = "mkShell makes an environment to work in, with nothing that runs.";
      fix = "Make a package of the app, for example with stdenv.mkDerivation.";
    };
    mkShellNoCC = pkgs.mkShell;
    # Fetched by the panel before anything is built (apps/builds/builders/nix/downloads.py); the
    # builder is not there, and never run.
    fetchurl =
      {
        url ? builtins.head urls,
        urls ? [ url ],
        name ? baseNameOf url,
        hash ? "",
        sha256 ? "",
        sha512 ? "",
      }:
      let
        promised =
          if hash != "" then
            { outputHash = hash; }
          else if sha512 != "" then
            {
              outputHash = sha512;
              outputHashAlgo = "sha512";
            }
          else if sha256 != "" then
            {
              outputHash = sha256;
              outputHashAlgo = "sha256";
            }
          else
            refuse {
              what = "fetchurl of ${url} has no hash";
              why = "A file is downloaded only if it is known what it must be.";
              fix = "Add hash = \"sha256-…\" (nix store prefetch-file URL tells it).";
            };
      in
      derivation (
        promised
        // {
          inherit name system url;
          builder = "/fetched-by-paas";
          outputHashMode = "flat";
          preferLocalBuild = true;
        }
      );
    fetchzip = offline "fetchzip";
    fetchgit = offline "fetchgit";
    fetchFromGitHub = offline "fetchFromGitHub";
    fetchFromGitLab = offline "fetchFromGitLab";
  };

  called =
    function:
    let
      value = if builtins.isPath function then import function else function;
    in
    arguments: value (builtins.intersectAttrs (builtins.functionArgs value) pkgs // arguments);
  shell = "#!${set.bash}/bin/bash\n";
  withProgram = name: package: package // { meta = package.meta or { } // { mainProgram = name; }; };

  stdenv = {
    inherit system;
    hostPlatform = {
      inherit system;
      isLinux = true;
      isDarwin = false;
      isx86_64 = system == "x86_64-linux";
      isAarch64 = system == "aarch64-linux";
    };
    isLinux = true;
    isDarwin = false;
    mkDerivation =
      given:
      let
        attributes = if builtins.isFunction given then given package else given;
        name =
          attributes.name or "${attributes.pname or "app"}-${attributes.version or "0"}";
        inputs = builtins.concatMap (key: lib.flatten (attributes.${key} or [ ])) [
          "nativeBuildInputs"
          "buildInputs"
          "propagatedBuildInputs"
          "propagatedNativeBuildInputs"
        ];
        plain = removeAttrs attributes [
          "meta"
          "passthru"
          "env"
        ] // attributes.env or { };
        built = derivation (
          plain
          // {
            inherit name system;
            builder = "${set.bash}/bin/bash";
            args = [ "-e" ./stdenv.sh ];
            inputPath = lib.makeBinPath (lib.filter (one: one != null) inputs ++ [ set.coreutils set.busybox ]);
            shellProgram = "${set.bash}/bin/bash";
          }
        );
        package =
          built
          // attributes.passthru or { }
          // {
            inherit name;
            meta = attributes.meta or { };
            overrideAttrs =
              change:
              stdenv.mkDerivation (attributes // (if builtins.isFunction change then change attributes else change));
          }
          // lib.optionalAttrs (attributes ? pname) { inherit (attributes) pname; }
          // lib.optionalAttrs (attributes ? version) { inherit (attributes) version; };
      in
      package;
  };
in
if set.named ? stdenv then set.named else pkgs
