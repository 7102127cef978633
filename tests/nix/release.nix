# A release root made by hand: a static busybox as the whole system, and the app's files.
{ parameters }:
let
  given = builtins.fromJSON (builtins.readFile parameters);
  add = name: builtins.path {
    path = given.${name};
    inherit name;
  };
  tools = add "tools";
  app = add "app";
  run = script: derivation {
    name = given.name;
    system = builtins.currentSystem;
    builder = "${tools}/bin/busybox";
    args = [ "sh" "-euc" "PATH=${tools}/bin\n${script}\n:" ];
    inherit app;
    refers = map builtins.storePath given.refers;
    environment = builtins.toJSON ({ PATH = "${tools}/bin"; } // given.environment);
    passAsFile = [ "environment" ];
  };
in
run ''
  mkdir -p $out/root/bin $out/root/usr/bin $out/root/etc $out/bin
  ln -s ${app} $out/app
  ln -s ${tools}/bin/busybox $out/root/bin/sh
  ln -s ${tools}/bin/busybox $out/root/usr/bin/env
  ln -s ${tools}/etc/ssl $out/root/etc/ssl
  ln -s ${tools}/etc/passwd $out/root/etc/passwd
  cp "$environmentPath" $out/environment.json
  ${given.extra}
''
