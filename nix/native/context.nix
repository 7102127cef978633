# What the files here work with. request: the file of ./default.nix.
{ request }:
let
  wish = builtins.fromJSON (builtins.readFile request);
  set = import (../packages + "/${wish.set}") (
    { inherit (wish) system; } // (if wish ? nixpkgs then { nixpkgs = /. + wish.nixpkgs; } else { })
  );
  lib = set.named.lib or (import ../devenv/lib.nix);
  refuse = import ./refuse.nix;
in
{
  inherit
    lib
    refuse
    set
    wish
    ;
  pkgs = import ./pkgs.nix { inherit lib refuse set; };
  root = /. + wish.root;
}
