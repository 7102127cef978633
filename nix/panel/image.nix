# The panel's image by Nix, in place of the Dockerfile's: the same user, folders and variables.
{
  dockerTools,
  bashInteractive,
  bubblewrap,
  cacert,
  caddy,
  coreutils,
  git,
  nix,
  panel,
  postgresql_15,
  uv,
  util-linux,
}:
let
  home = "/var/lib/paas";
in
dockerTools.buildLayeredImage {
  name = "paas-panel";
  tag = "latest";
  contents = [
    bashInteractive # sh, for git's hooks and Nix's builders
    bubblewrap
    cacert
    caddy
    coreutils
    dockerTools.usrBinEnv
    git
    nix
    panel
    postgresql_15
    util-linux
    uv
  ];
  enableFakechroot = true;
  fakeRootCommands = ''
    install --directory --owner 10001 --group 10001 --mode 0700 ${home} /var/lib/paas-nix /run/paas
    install --directory --mode 1777 /tmp
    install --directory /etc
    printf 'root:x:0:0:root:/root:/bin/false\npaas:x:10001:10001:paas:${home}:/bin/false\n' > /etc/passwd
    printf 'root:x:0:\npaas:x:10001:\n' > /etc/group
    echo 'hosts: files dns' > /etc/nsswitch.conf
  '';
  config = {
    User = "10001:10001";
    Cmd = [
      "python"
      "-m"
      "paas.launcher"
    ];
    # `python` is the panel's own, with its packages.
    Env = [
      "PATH=${panel}/bin:/bin"
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
      "PAAS_HOME=${home}"
      "PAAS_RUN=/run/paas"
      "PAAS_NIX_STORE=/var/lib/paas-nix"
      "PAAS_BIND=0.0.0.0"
    ];
    ExposedPorts = {
      "8080/tcp" = { };
      "2222/tcp" = { };
      "5000/tcp" = { };
    };
  };
}
