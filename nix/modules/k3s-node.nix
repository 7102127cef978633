# A k3s node that runs apps of a panel: its containerd mounts what Nix built, which the node's Nix
# fetches from the panel's cache and believes by the key paas-ci alone.
#
# services.k3s itself (role, serverAddr, tokenFile) is the owner's; this adds what images of Nix
# need. k3s brings nix-snapshotter along since 1.35.3 (and in 1.33 and 1.34 of the same spring).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    types
    ;
  cfg = config.services.paas-k3s-node;
  nix = config.nix.package;
  server = config.services.k3s.role == "server";
  apiPorts = [ 10250 ] ++ (if server then [ 6443 ] else [ ]);
  etcdPorts =
    if server then
      [
        2379
        2380
      ]
    else
      [ ];
  credentials = "/run/paas-node";
  # without scheme and port, as netrc and registries want it
  address = builtins.elemAt (builtins.match "https?://([^/]+)/?" cfg.panel) 0;
  host = builtins.head (builtins.filter builtins.isString (builtins.split ":" address));
  panel = "${if builtins.substring 0 8 cfg.panel == "https://" then "https" else "http"}://${address}";
in
{
  options.services.paas-k3s-node = {
    enable = mkEnableOption "running apps of a paas panel on this k3s node";
    panel = mkOption {
      type = types.strMatching "https?://[^/]+/?";
      example = "https://apps.example.org";
      description = "The panel's address; the cache is below it at /cache, the registry at /v2.";
    };
    publicKey = mkOption {
      type = types.strMatching "paas-ci:[A-Za-z0-9+/=]+";
      example = "paas-ci:oSOGgEOVsVSlqkuDsmMcU3pM4oY0DlbrGtMx05LQhgE=";
      description = "What `paas cache:info` shows: builds that another key signed are not run.";
    };
    tokenFile = mkOption {
      type = types.path;
      example = "/var/lib/secrets/paas-node-token";
      description = "The node's token, of `paas nodes:tokens:create`; a path on the machine.";
    };
    name = mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = "the host's name";
      description = "The name that the token was made for.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the cluster's nodes reach each other: the API server and embedded etcd (servers),
        the kubelet, and flannel's VXLAN; for clusters of more than one node.
      '';
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = config.services.k3s.enable;
        message = "services.paas-k3s-node: this is about a node of k3s. Set services.k3s.enable = true and its role.";
      }
    ];

    services.k3s.extraFlags = [ "--snapshotter=nix" ];
    # The snapshotter fetches by `nix-store --realise`, as root.
    systemd.services.k3s = {
      path = [ nix ];
      wants = [ "paas-node-credentials.service" ];
      after = [ "paas-node-credentials.service" ];
    };

    nix.settings = {
      substituters = [ "${panel}/cache" ];
      trusted-public-keys = [ cfg.publicKey ];
      netrc-file = "${credentials}/netrc";
      # A build that was asked for before it was pushed is there a moment later.
      narinfo-cache-negative-ttl = 0;
      connect-timeout = mkDefault 10;
      # What no running or kept image holds goes before the disk is full.
      min-free = mkDefault (2 * 1024 * 1024 * 1024);
      max-free = mkDefault (8 * 1024 * 1024 * 1024);
    };
    nix.gc = {
      automatic = mkDefault true;
      options = mkDefault "--delete-older-than 14d";
    };

    # The token goes into Nix's and containerd's files on the machine, never into the store.
    systemd.services.paas-node-credentials = {
      description = "This node's token for ${address}";
      wantedBy = [ "multi-user.target" ];
      before = [
        "k3s.service"
        "nix-daemon.service"
      ];
      path = [ pkgs.coreutils ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        LoadCredential = [ "token:${cfg.tokenFile}" ];
        RuntimeDirectory = "paas-node";
        RuntimeDirectoryMode = "0700";
        ExecStart = "${pkgs.runtimeShell} ${./node-credentials.sh} ${credentials} /etc/rancher/k3s ${host} ${panel} ${cfg.name}";
      };
    };

    networking.firewall = {
      # Pods come to their own node's API server and kubelet over this bridge, and to nothing else.
      interfaces.cni0.allowedTCPPorts = apiPorts;
      allowedTCPPorts = if cfg.openFirewall then apiPorts ++ etcdPorts else [ ];
      allowedUDPPorts = if cfg.openFirewall then [ 8472 ] else [ ];
    };
  };
}
