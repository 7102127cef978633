# Which of `names` (a JSON file with a list) the package set does not know, and what it knows, if
# that can be listed.
{ set, names }:
let
  pkgs = import (../packages + "/${set}") { };
in
{
  unknown = builtins.filter (name: pkgs.find name == null) (
    builtins.fromJSON (builtins.readFile names)
  );
  inherit (pkgs) listed;
}
