# As much of nixpkgs' lib as our modules need to be evaluated without it: their values are then
# plain, and an option without a definition keeps its default.
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
  types = {
    bool = "bool";
    str = "str";
    path = "path";
    nullOr = type: "null or ${type}";
    ints.positive = "positive integer";
  };

  # One module with definitions for its options: { options, config }.
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
        config = merge config (nest values reversed);
      };
      options = dig made.options at;
      values = builtins.mapAttrs (
        name: option:
        definitions.${name} or option.default or (throw "the option ${name} has no value")
      ) options;
      unknown = builtins.filter (name: !(options ? ${name})) (builtins.attrNames definitions);
    in
    if unknown == [ ] then made.config else throw "unknown options: ${toString unknown}";

  merge =
    left: right:
    left
    // builtins.mapAttrs (
      name: value:
      if builtins.isAttrs value && builtins.isAttrs (left.${name} or null) then
        merge left.${name} value
      else
        value
    ) right;
}
