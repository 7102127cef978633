# What `import <nixpkgs> { }` gives: this server's package set. The sandbox has the request there.
_: (import ../context.nix { request = /opt/paas/request/request.json; }).pkgs
