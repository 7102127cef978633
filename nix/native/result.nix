# What an app is made of → one derivation that holds it together.
#
# It is a folder with native.json, which the panel reads once it is built:
# { path, environment, processes, languages, services, ignored }, where `path` are folders for
# PATH and `processes` are programs, one for each process type. `languages` are name →
# { path, version, dependencies, directory, … }. Whatever is mentioned there is part of its closure.
{
  lib,
  pkgs,
  refuse,
  set,
}:
{
  packages ? [ ],
  environment ? { },
  processes ? { },
  scripts ? { },
  languages ? { },
  services ? [ ],
  ignored ? [ ],
}:
let
  inherit (builtins) attrNames mapAttrs match;

  # `text` as a file of the store, without a shell in between that could misread it
  file =
    name: text:
    set.run {
      inherit name text;
      passAsFile = [ "text" ];
      script = ''
        cp $textPath $out
        chmod +x $out
      '';
    };
  named =
    what: known: name:
    if match known name != null then
      name
    else
      refuse {
        what = ''${what} "${name}" cannot be called that'';
        why = "A name has letters, digits, `-` and `_`.";
        fix = "Rename it.";
      };
  variableNames = map (named "the variable" "[A-Za-z_][A-Za-z0-9_]*");

  process =
    name: one:
    file "process-${named "the process" "[A-Za-z0-9_-]{1,128}" name}" ''
      #!${set.bash}/bin/bash
      ${lib.concatMapStringsSep "\n" (
        key: "export ${key}=${lib.escapeShellArg one.environment.${key}}"
      ) (variableNames (attrNames one.environment))}
      cd -- ${lib.escapeShellArg one.cwd}
      ${one.exec}
    '';

  # A program of that name; what it needs comes first in its PATH.
  script =
    name: one:
    let
      interpreter = if one.package == null then set.bash else one.package;
      binary =
        if one.binary != null then
          one.binary
        else if one.package == null then
          "bash"
        else
          lib.getName interpreter;
    in
    pkgs.runCommand "script-${named "the script" "[A-Za-z0-9_.+-]+" name}"
      {
        text = ''
          #!${set.bash}/bin/bash
          export PATH=${lib.makeBinPath one.packages}''${PATH:+:$PATH}
          exec ${interpreter}/bin/${binary} ${file "${name}-text" "${one.exec}\n"} "$@"
        '';
        passAsFile = [ "text" ];
      }
      ''
        mkdir -p $out/bin
        cp $textPath $out/bin/${name}
        chmod +x $out/bin/${name}
      '';

  folders = programs: lib.unique (map (package: "${lib.getBin package}/bin") programs);
  described = {
    path = folders (lib.mapAttrsToList script scripts ++ packages);
    environment = builtins.seq (builtins.deepSeq (variableNames (attrNames environment)) null) environment;
    processes = mapAttrs process processes;
    languages = mapAttrs (
      _: language: removeAttrs language [ "packages" ] // { path = folders language.packages; }
    ) languages;
    inherit ignored services;
  };
in
set.run {
  name = "native";
  native = builtins.toJSON described;
  passAsFile = [ "native" ];
  script = ''
    mkdir $out
    cp $nativePath $out/native.json
  '';
}
