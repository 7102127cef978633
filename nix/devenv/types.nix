# What options hold, and how several definitions of one become its value.
#
# A type is { name, check, merge }: what to call its values ("a text"), whether one is such a
# value, and path → definitions → value, where the definitions are stripped, of the highest
# priority, in order, checked, and at least one.
{ refuse }:
let
  inherit (builtins)
    all
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    mapAttrs
    sort
    tail
    toJSON
    typeOf
    ;
  properties = import ./properties.nix;

  where = concatStringsSep ".";
  isDerivation = value: isAttrs value && value.type or "" == "derivation";

  # Texts are shown, other things only named: to show them may evaluate without end.
  shown =
    value:
    if isString value then
      "the text ${toJSON (builtins.substring 0 60 (builtins.unsafeDiscardStringContext value))}"
    else if isDerivation value then
      "a package"
    else
      {
        bool = "true or false";
        float = "a number with a fraction";
        int = "the number ${toJSON value}";
        lambda = "a function";
        list = "a list";
        null = "null";
        path = "a path";
        set = "a set";
      }
      .${typeOf value};

  # definitions of `path` → the value of `type`; null without a definition that counts.
  merged =
    path: type: definitions:
    let
      stripped = concatMap properties.strip definitions;
      least = foldl' (a: d: if d.priority < a then d.priority else a) 9999 stripped;
      counting = filter (one: one.priority == least) stripped;
      ordered = sort (a: b: a.order < b.order) counting;
      wrong = filter (one: !type.check one.value) ordered;
    in
    if ordered == [ ] then
      null
    else if wrong != [ ] then
      refuse {
        what = "${where path} must be ${type.name}";
        why = "It is ${shown (head wrong).value}.";
        fix = "Correct ${where path} in ${(head wrong).file}.";
        inherit (head wrong) file;
      }
    else
      {
        value = type.merge path ordered;
      };

  # the definitions of `name` in definitions of sets
  at =
    name: definitions:
    map (one: one // { value = one.value.${name}; }) (filter (one: one.value ? ${name}) definitions);

  isSet = value: isAttrs value && !isDerivation value;

  # each name that definitions of sets have → what `merged` says of it
  mergedEach =
    path: type: definitions:
    let
      pushed = concatMap properties.push definitions;
    in
    mapAttrs (name: _: merged (path ++ [ name ]) type (at name pushed)) (
      foldl' (all: one: all // one.value) { } pushed
    );

  # for types of which two different values cannot be joined
  only =
    path: definitions:
    let
      first = head definitions;
      others = filter (one: one.value != first.value) (tail definitions);
    in
    if others == [ ] then
      first.value
    else
      refuse {
        what = "${where path} is set twice";
        why = "${first.file} and ${(head others).file} say different things.";
        fix = "Delete one of them, or decide with lib.mkForce.";
        inherit (head others) file;
      };

  plain = name: check: {
    inherit name check;
    merge = only;
  };

  types = {
    # any value, of which none is looked into
    raw = plain "any value" (_: true);
    bool = plain "true or false" isBool;
    int = plain "a whole number" isInt;
    str = plain "a text" isString;
    path = plain "a path" (value: isPath value || isString value || isDerivation value);
    package = plain "a package" isDerivation;
    lines = {
      name = "a text";
      check = isString;
      merge = _: definitions: concatStringsSep "\n" (map (one: one.value) definitions);
    };
    number = plain "a number" (value: isInt value || isFloat value);

    # what can stand in the environment of a process
    variable = plain "a text, a number, true, false, a path, a package or null" (
      value:
      value == null
      || isString value
      || isInt value
      || isFloat value
      || isBool value
      || isPath value
      || isDerivation value
    );

    enum = values: plain "one of ${concatStringsSep ", " (map toJSON values)}" (v: elem v values);

    nullOr = type: {
      name = "${type.name} or null";
      check = value: value == null || type.check value;
      merge =
        path: definitions:
        if all (one: one.value == null) definitions then
          null
        else
          type.merge path (filter (one: one.value != null) definitions);
    };

    either = a: b: {
      name = "${a.name} or ${b.name}";
      check = value: a.check value || b.check value;
      merge =
        path: definitions:
        (if all (one: a.check one.value) definitions then a else b).merge path definitions;
    };

    listOf = type: {
      name = "a list";
      check = isList;
      merge =
        path: definitions:
        concatMap (
          definition:
          concatMap (
            value:
            let
              element = {
                inherit (definition) file;
                inherit value;
              };
              result = merged [ "each of ${where path}" ] type [ element ];
            in
            if result == null then [ ] else [ result.value ]
          ) definition.value
        ) definitions;
    };

    # Every value is looked at to see whether it is there.
    attrsOf = type: {
      name = "a set";
      check = isSet;
      merge =
        path: definitions:
        let
          results = mergedEach path type definitions;
        in
        mapAttrs (_: result: result.value) (
          removeAttrs results (filter (name: results.${name} == null) (attrNames results))
        );
    };

    # No value is looked at before it is used, so that one may depend on another; one whose
    # condition is false is null.
    lazyAttrsOf = type: {
      name = "a set";
      check = isSet;
      merge =
        path: definitions:
        mapAttrs (_: result: if result == null then null else result.value) (
          mergedEach path type definitions
        );
    };

    function = plain "a function" isFunction;
  };
in
{
  inherit
    at
    isDerivation
    merged
    shown
    types
    where
    ;
}
