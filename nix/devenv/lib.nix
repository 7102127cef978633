# What modules and flakes get as `lib`, where the package set has none of its own: the part of
# nixpkgs' lib that files of apps use, by the same names, with the same meaning.
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    getAttr
    hasAttr
    head
    isList
    isString
    length
    listToAttrs
    mapAttrs
    readFile
    replaceStrings
    split
    stringLength
    substring
    tail
    toString
    ;
  letters = text: genList (i: substring i 1 text) (stringLength text);
  lower = letters "abcdefghijklmnopqrstuvwxyz";
  upper = letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

  lib = builtins // {
    inherit lib;
    attrsets = lib;
    lists = lib;
    strings = lib;
    trivial = lib;

    const = value: _: value;
    flip = function: a: b: function b a;
    id = value: value;
    pipe = foldl' (value: function: function value);

    # --- lists
    count = test: list: length (filter test list);
    drop = n: list: genList (i: elemAt list (i + n)) (if length list > n then length list - n else 0);
    # Looks at no element after the one that it finds.
    findFirst =
      test: default: list:
      if list == [ ] then
        default
      else if test (head list) then
        head list
      else
        lib.findFirst test default (tail list);
    flatten = value: if isList value then concatMap lib.flatten value else [ value ];
    foldl = foldl';
    foldr =
      function: start: list:
      if list == [ ] then start else function (head list) (lib.foldr function start (tail list));
    imap0 = function: list: genList (i: function i (elemAt list i)) (length list);
    init = list: lib.take (length list - 1) list;
    last = list: elemAt list (length list - 1);
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    range = from: to: if from > to then [ ] else genList (i: from + i) (to - from + 1);
    reverseList = list: genList (i: elemAt list (length list - 1 - i)) (length list);
    singleton = value: [ value ];
    subtractLists = gone: filter (value: !elem value gone);
    take = n: list: genList (elemAt list) (if length list < n then length list else n);
    unique = foldl' (found: value: if elem value found then found else found ++ [ value ]) [ ];
    zipListsWith =
      function: a: b:
      genList (i: function (elemAt a i) (elemAt b i)) (
        if length a < length b then length a else length b
      );

    # --- sets
    attrByPath =
      path: default: set:
      if path == [ ] then
        set
      else if set ? ${head path} then
        lib.attrByPath (tail path) default set.${head path}
      else
        default;
    attrVals = names: set: map (name: set.${name}) names;
    concatMapAttrs = function: set: foldl' (a: b: a // b) { } (lib.mapAttrsToList function set);
    filterAttrs =
      test: set: removeAttrs set (filter (name: !test name set.${name}) (attrNames set));
    genAttrs = names: function: listToAttrs (map (name: lib.nameValuePair name (function name)) names);
    getAttrFromPath = path: lib.attrByPath path (throw "${concatStringsSep "." path} is missing");
    hasAttrByPath =
      path: set: path == [ ] || (set ? ${head path} && lib.hasAttrByPath (tail path) set.${head path});
    mapAttrs' = function: set: listToAttrs (lib.mapAttrsToList function set);
    mapAttrsToList = function: set: map (name: function name set.${name}) (attrNames set);
    mergeAttrsList = foldl' (a: b: a // b) { };
    nameValuePair = name: value: { inherit name value; };
    optionalAttrs = condition: set: if condition then set else { };
    recursiveUpdate =
      a: b:
      a
      // mapAttrs (
        name: value:
        if builtins.isAttrs value && builtins.isAttrs (a.${name} or null) then
          lib.recursiveUpdate a.${name} value
        else
          value
      ) b;

    # --- texts
    boolToString = value: if value then "true" else "false";
    concatMapStrings = lib.concatMapStringsSep "";
    concatMapStringsSep = between: function: list: concatStringsSep between (map function list);
    concatStrings = concatStringsSep "";
    escapeShellArg = value: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString value)}'";
    escapeShellArgs = lib.concatMapStringsSep " " lib.escapeShellArg;
    fileContents = file: lib.removeSuffix "\n" (readFile file);
    hasInfix = part: text: length (split (lib.escapeRegex part) text) > 1;
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    hasSuffix =
      suffix: text:
      let
        rest = stringLength text - stringLength suffix;
      in
      rest >= 0 && substring rest (stringLength suffix) text == suffix;
    importJSON = file: builtins.fromJSON (readFile file);
    importTOML = file: builtins.fromTOML (readFile file);
    escapeRegex =
      let
        special = letters "\\[{()^$?*+|.";
      in
      replaceStrings special (map (one: "\\${one}") special);
    optionalString = condition: text: if condition then text else "";
    removePrefix =
      prefix: text:
      if lib.hasPrefix prefix text then
        substring (stringLength prefix) (stringLength text) text
      else
        text;
    removeSuffix =
      suffix: text:
      if lib.hasSuffix suffix text then
        substring 0 (stringLength text - stringLength suffix) text
      else
        text;
    splitString = by: text: filter isString (split (lib.escapeRegex by) (toString text));
    stringToCharacters = letters;
    toLower = replaceStrings upper lower;
    toUpper = replaceStrings lower upper;
    trim =
      text:
      let
        found = builtins.match "[ \t\r\n]*(.*[^ \t\r\n])[ \t\r\n]*" text;
      in
      if found == null then "" else head found;
    versionAtLeast = a: b: builtins.compareVersions a b >= 0;
    versionOlder = a: b: builtins.compareVersions a b < 0;

    # --- packages
    getBin = package: package.bin or package;
    getDev = package: package.dev or package;
    getExe =
      package: lib.getExe' package (package.meta.mainProgram or (lib.getName package));
    getExe' = package: program: "${lib.getBin package}/bin/${program}";
    getName = package: package.pname or (builtins.parseDrvName package.name).name;
    getLib = package: package.lib or package;
    isDerivation = value: value.type or "" == "derivation";
    makeBinPath = lib.makeSearchPath "bin";
    makeLibraryPath = packages: lib.makeSearchPath "lib" (map lib.getLib packages);
    makeSearchPath = folder: lib.concatMapStringsSep ":" (package: "${package}/${folder}");
    cleanSource = source: source;
    licenses = { };
    platforms = { };
    systems.flakeExposed = [ "x86_64-linux" "aarch64-linux" ];

    # --- functions
    fix =
      function:
      let
        value = function value;
      in
      value;
    makeOverridable =
      function: arguments:
      let
        result = function arguments;
      in
      if builtins.isAttrs result then
        result // { override = more: lib.makeOverridable function (arguments // more); }
      else
        result;
    traceVal = value: builtins.trace value value;
    warn = text: builtins.trace "warning: ${text}";
    warnIf = condition: text: if condition then lib.warn text else lib.id;
    inherit getAttr hasAttr concatLists;
  };
in
lib
