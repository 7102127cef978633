# A derivation that runs commands of a plan in the layout of the running app; see sealed.sh.
#
#   tree       store path that becomes /app; "" for an empty one
#   layers     [ { path, final, results } ]: earlier results; `path`, and what the running app
#              gets of it, `final`, have app/ and deps/
#   mounts     [ { path, target } ]
#   caches     folders below /app that are not part of the result; they begin with what is in
#              the store paths `seeds`, one for each, "" for nothing
#   commands   [ text ]
#   variables  { name = text; }: all the environment there is
#   finish     shell script of ours that makes $out of ./app
#   inputs     a store path whose references the commands may read
#   links      a store path: a file of links to make in the tree, "<store path> <name>" a line
#   kept       folders of the result, for `finish`; those below /deps can be written to
{ pkgs, base }:
{
  name,
  commands,
  variables,
  finish,
  tree ? "",
  layers ? [ ],
  mounts ? [ ],
  caches ? [ ],
  seeds ? map (_: "") caches,
  interpreter ? "",
  inputs ? "",
  links ? "",
  kept ? [ ],
}:
let
  inherit (builtins) attrNames attrValues concatMap;
  placed = concatMap (
    layer:
    map (result: {
      inherit (layer) path final;
      inherit result;
    }) layer.results
  ) layers;
in
pkgs.run (
  {
    inherit
      name
      tree
      base
      interpreter
      inputs
      links
      ;
    bwrap = "${pkgs.bubblewrap}/bin/bwrap";
    script = ''
      cd /build
      . ${./texts.sh}
      . ${./sealed.sh}
      ${finish}
    '';
  }
  // import ./texts.nix {
      inherit kept;
      command = commands;
      variable = attrNames variables;
      value = attrValues variables;
      layer = map (one: one.path) placed;
      result = map (one: one.result) placed;
      final = map (one: one.final) placed;
      mount = map (one: one.path) mounts;
      target = map (one: one.target) mounts;
      cache = caches;
      seed = seeds;
    }
)
