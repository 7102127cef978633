# As much of nixpkgs' lib as our modules need to be evaluated without it: their values are then
# plain, and an option without a definition keeps its default. What is defined is checked against
# the option's type.
rec {
  mkOption = option: option // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };
  mkIf = condition: content: if condition then content else { };
  mkMerge = builtins.foldl' merge { };
  mkDefault = value: value;

  types =
    let
      known =
        (import ../devenv/types.nix {
          refuse = problem: throw problem.what;
        }).types;
      refined = type: name: test: type // {
        inherit name;
        check = value: type.check value && test value;
      };
    in
    {
      inherit (known)
        attrsOf
        bool
        enum
        listOf
        nullOr
        package
        path
        str
        ;
      port = refined known.int "a port" (value: value >= 0 && value <= 65535);
      ints.positive = refined known.int "a positive number" (value: value > 0);
      strMatching =
        pattern: refined known.str "a text like ${pattern}" (value: builtins.match pattern value != null);
    };

  # One module with definitions for its options: what it makes of them.
  # config: what other modules say; options with `at` are the module's own.
  evaluate =
    {
      module,
      at, # where its options are, as [ "services" "x" ]
      definitions,
      config ? { },
      pkgs ? { },
    }:
    let
      dig = builtins.foldl' (set: name: set.${name});
      nest = builtins.foldl' (value: name: { ${name} = value; });
      reversed = builtins.foldl' (list: one: [ one ] ++ list) [ ] at;
      made = import module {
        inherit pkgs;
        lib = builtins.removeAttrs (import ./stub-lib.nix) [ "evaluate" ];
        config = merge config (nest (values (where at) (dig made.options at) definitions) reversed);
      };
    in
    made.config;

  # a name in messages → a tree of options → definitions → the tree of values
  values =
    name: options: definitions:
    let
      unknown = builtins.filter (one: !(options ? ${one})) (builtins.attrNames definitions);
    in
    if unknown != [ ] then
      throw "unknown options: ${name}.${builtins.head unknown}"
    else
      builtins.mapAttrs (
        one: option:
        if option._type or "" == "option" then
          value "${name}.${one}" option definitions one
        else
          values "${name}.${one}" option (definitions.${one} or { })
      ) options;
  value =
    name: option: definitions: one:
    if option.description or "" == "" then
      throw "${name} has no description"
    else if definitions ? ${one} then
      if option.type.check definitions.${one} then
        definitions.${one}
      else
        throw "${name} must be ${option.type.name}"
    else
      option.default or (throw "the option ${name} has no value");
  where = builtins.concatStringsSep ".";

  # Sets are joined, lists put together; else the right one wins.
  merge =
    left: right:
    left
    // builtins.mapAttrs (
      name: value:
      if builtins.isAttrs value && builtins.isAttrs (left.${name} or null) then
        merge left.${name} value
      else if builtins.isList value && builtins.isList (left.${name} or null) then
        left.${name} ++ value
      else
        value
    ) right;
}
