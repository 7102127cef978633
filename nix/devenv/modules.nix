# A small module system: files that define options become one tree of values.
#
# What devenv.nix can say of it: imports of files of the repository, options of its own,
# mkIf, mkMerge, mkDefault, mkForce, mkOverride, mkBefore, mkAfter. What is not an option is an
# error that names it, as everything else that is wrong.
{ refuse }:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    functionArgs
    head
    intersectAttrs
    isAttrs
    isFunction
    isPath
    mapAttrs
    pathExists
    substring
    stringLength
    ;
  properties = import ./properties.nix;
  typing = import ./types.nix { inherit refuse; };
  inherit (typing)
    at
    isDerivation
    merged
    shown
    where
    ;

  mkOption = option: option // { _type = "option"; };
  isOption = value: isAttrs value && value._type or "" == "option";

  # A set of options for each value of a set: name → options.
  submodule = optionsOf: {
    name = "a set";
    check = value: isAttrs value && !isDerivation value;
    merge =
      path: definitions:
      evaluate path (optionsOf (builtins.elemAt path (builtins.length path - 1))) definitions;
  };

  # path → a tree of options → definitions of it → the tree of values.
  # `freeform`, an option beside the others, takes what they do not name.
  evaluate =
    path: options: definitions:
    if isOption options then
      valueOf path options definitions
    else
      let
        pushed = concatMap properties.push definitions;
        notSet = filter (one: !isAttrs one.value || isDerivation one.value) pushed;
        strangers = concatMap (
          one:
          map (name: { inherit name; inherit (one) file; }) (
            filter (name: !(options ? ${name})) (attrNames one.value)
          )
        ) pushed;
        values = mapAttrs (name: sub: evaluate (path ++ [ name ]) sub (at name pushed)) options;
      in
      if notSet != [ ] then
        refuse {
          what = "${where path} must be a set";
          why = "It is ${shown (head notSet).value}.";
          fix = "Correct ${where path} in ${(head notSet).file}.";
          inherit (head notSet) file;
        }
      else if strangers != [ ] then
        refuse {
          what = "there is no option ${where (path ++ [ (head strangers).name ])}";
          why = "It is none of devenv's that are known here.";
          fix = "Correct its name in ${(head strangers).file}, or delete it.";
          inherit (head strangers) file name;
          known = attrNames options;
        }
      else
        values;

  valueOf =
    path: option: definitions:
    let
      result = merged path option.type definitions;
    in
    if option.ignored or false then
      # not looked at, not even for properties
      map (one: one.file) definitions
    else if result != null then
      result.value
    else
      option.default or (refuse {
        what = "${where path} is not set";
        why = "It has no value that could stand in for it.";
        fix = "Set ${where path}.";
      });

  # Whether the values that are set are what their options take, used or not.
  check =
    options: definitions: values:
    if isOption options then
      definitions == [ ] || builtins.seq values true
    else
      let
        pushed = concatMap properties.push definitions;
      in
      builtins.all (name: check options.${name} (at name pushed) values.${name}) (attrNames options);

  # importer → modules → { options, definitions } of these and all that they import.
  # root: the repository's folder. arguments: what modules that are functions may ask for.
  load =
    { root, arguments }:
    let
      top = toString root;
      # The name of a path as the author knows it.
      shownPath =
        path:
        let
          text = toString path;
          length = stringLength top;
        in
        if text == top then
          "."
        else if substring 0 (length + 1) text == "${top}/" then
          substring (length + 1) (stringLength text) text
        else
          text;
      inside = path: shownPath path != toString path;

      # A folder stands for the devenv.nix or default.nix in it.
      fileOf =
        importer: path:
        let
          kind = (builtins.readDir (dirOf path)).${baseNameOf path} or "nothing";
          candidates = [ (path + "/devenv.nix") (path + "/default.nix") ];
          found = filter pathExists candidates;
        in
        if !inside path then
          refuse {
            what = "imports ${shownPath path}";
            why = "Modules are taken from the repository alone.";
            fix = "Copy the module into the repository and import it from there.";
            file = importer;
          }
        else if found != [ ] then
          head found
        else if kind == "regular" || kind == "symlink" then
          path
        else
          refuse {
            what = "imports ${shownPath path}, which is not there";
            why = "Neither it nor a devenv.nix or default.nix in it is in the repository.";
            fix = "Correct imports, or commit the file.";
            file = importer;
          };

      called =
        file: module:
        let
          wanted = functionArgs module;
          missing = filter (name: !wanted.${name} && !(arguments ? ${name})) (attrNames wanted);
        in
        if !isFunction module then
          module
        else if missing != [ ] then
          refuse {
            what = "asks for the argument ${head missing}";
            why = "A module is given ${builtins.concatStringsSep ", " (attrNames arguments)}.";
            fix = "Delete ${head missing} from the arguments in ${file}.";
            inherit file;
          }
        else
          module (if wanted == { } then arguments else intersectAttrs wanted arguments);

      moduleOf =
        importer: value:
        let
          path = fileOf importer value;
          file = if isPath value then shownPath path else importer;
          module = called file (if isPath value then import path else value);
        in
        if !isAttrs module then
          refuse {
            what = "is no module";
            why = "It holds ${shown module}.";
            fix = "Write ${file} as `{ pkgs, ... }: { … }`.";
            inherit file;
          }
        else
          { inherit file module; };

      split =
        { file, module }:
        let
          long = module ? config || module ? options;
          rest = removeAttrs module [ "imports" "_file" "_module" "key" ];
          extra = attrNames (removeAttrs rest [ "config" "options" "meta" ]);
        in
        if long && extra != [ ] then
          refuse {
            what = "${head extra} stands beside config";
            why = "A module with `config` or `options` has all its definitions in `config`.";
            fix = "Move ${head extra} into config in ${file}.";
            inherit file;
          }
        else
          {
            options = if long then module.options or { } else { };
            definition = {
              inherit file;
              value = if long then module.config or { } else rest;
            };
          };

      # Every file once, however often it is imported.
      walk =
        seen: importer: values:
        builtins.foldl' (
          state: value:
          let
            key = if isPath value then shownPath (fileOf importer value) else null;
            loaded = moduleOf importer value;
            imports = loaded.module.imports or [ ];
            after = walk (
              if key == null then state.seen else state.seen ++ [ key ]
            ) loaded.file imports;
          in
          if key != null && elem key state.seen then
            state
          else
            {
              inherit (after) seen;
              modules = state.modules ++ after.modules ++ [ (split loaded) ];
            }
        ) { inherit seen; modules = [ ]; } values;
    in
    importer: values:
    let
      inherit (walk [ ] importer values) modules;
    in
    {
      definitions = map (one: one.definition) modules;
      options = builtins.foldl' joined { } (map (one: one.options) modules);
    };

  # Two trees of options as one; the second wins.
  joined =
    a: b:
    a
    // mapAttrs (
      name: value:
      if a ? ${name} && !isOption value && !isOption a.${name} then joined a.${name} value else value
    ) b;
in
{
  inherit
    check
    evaluate
    joined
    load
    mkOption
    submodule
    ;
  inherit (typing) isDerivation types;
}
