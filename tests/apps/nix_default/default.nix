{
  pkgs ? import <nixpkgs> { },
}:
pkgs.stdenv.mkDerivation {
  pname = "hello-nix";
  version = "1.0";
  src = ./site;
  installPhase = ''
    runHook preInstall
    mkdir -p $out/bin $out/share
    cp -r . $out/share/site
    cat > $out/bin/hello-nix <<END
    #!${pkgs.bash}/bin/bash
    exec ${pkgs.caddy}/bin/caddy file-server --listen :\$PORT --root $out/share/site
    END
    chmod +x $out/bin/hello-nix
    runHook postInstall
  '';
}
