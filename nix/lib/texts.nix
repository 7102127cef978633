# User text for a derivation: each item becomes a file in the build, `$<name>_<n>Path`, and
# `$<name>_count` tells how many there are. No shell and no Nix ever parses the text.
lists:
let
  inherit (builtins)
    attrNames
    concatMap
    elemAt
    genList
    length
    listToAttrs
    toString
    ;
  items =
    name:
    genList (n: {
      name = "${name}_${toString n}";
      value = elemAt lists.${name} n;
    }) (length lists.${name});
  all = concatMap items (attrNames lists);
in
listToAttrs all
// listToAttrs (
  map (name: {
    name = "${name}_count";
    value = length lists.${name};
  }) (attrNames lists)
)
// {
  passAsFile = map (one: one.name) all;
}
