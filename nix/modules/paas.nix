# The panel on NixOS, in front of a Kubernetes cluster (k3s on this machine or on others), or with
# the apps on this machine.
#
# Each part is a unit of its own: paas-init first, then web, worker, beat, gateway, observer, caddy.
# No secret is an option's value: the panel makes its keys on the first start, in
# /var/lib/paas/keys; what comes from elsewhere is named by a path on the machine.
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
    mkMerge
    mkOption
    types
    ;
  cfg = config.services.paas;
  cluster = cfg.runtime == "kubernetes";
  home = "/var/lib/paas";
  run = "/run/paas";

  set = builtins.foldl' (all: one: all // one) { };
  when = condition: attributes: if condition then attributes else { };
  onOff = value: if value then "on" else "off";

  environment = set [
    {
      PAAS_HOME = home;
      PAAS_RUN = run;
      PAAS_DOMAIN = cfg.domain;
      PAAS_BIND = cfg.bind;
      PAAS_PORT = toString cfg.port;
      PAAS_HTTPS_PORT = toString cfg.httpsPort;
      PAAS_SSH_PORT = toString cfg.sshPort;
      PAAS_RENDEZVOUS_PORT = toString cfg.rendezvousPort;
      PAAS_TLS = cfg.tls;
      PAAS_HTTPS_REDIRECT = onOff cfg.httpsRedirect;
      PAAS_ACME_EMAIL = cfg.acmeEmail;
      PAAS_RUNTIME = cfg.runtime;
      PAAS_BUILDER = cfg.builder;
      PAAS_NIX_PACKAGES = cfg.nix.packages;
      PAAS_NIX_SUBSTITUTERS = toString cfg.nix.substituters;
      PAAS_NIX_TRUSTED_KEYS = toString cfg.nix.trustedKeys;
      PAAS_IMAGE_TRANSPORT = cfg.nix.imageTransport;
    }
    (when (cfg.nix.store != null) { PAAS_NIX_STORE = cfg.nix.store; })
    (when (cfg.nix.cache != null) { PAAS_NIX_CACHE = cfg.nix.cache; })
    (when cfg.database.createLocally { DATABASE_URL = "postgres://paas@%2Frun%2Fpostgresql/paas"; })
    (when cfg.redis.createLocally { PAAS_REDIS_URL = "unix:///run/redis-paas/redis.sock"; })
    (when cluster {
      KUBECONFIG = "%d/kubeconfig";
      PAAS_INGRESS_CLASS = cfg.kubernetes.ingressClass;
      PAAS_INGRESS_NAMESPACE = cfg.kubernetes.ingressNamespace;
      PAAS_CLUSTER_ISSUER = cfg.kubernetes.clusterIssuer;
      PAAS_WILDCARD_TLS = onOff cfg.kubernetes.wildcardTls;
      PAAS_GATEWAY = cfg.kubernetes.gateway;
      PAAS_NODE_SELECTOR = builtins.concatStringsSep "," (
        map (name: "${name}=${cfg.kubernetes.nodeSelector.${name}}") (
          builtins.attrNames cfg.kubernetes.nodeSelector
        )
      );
    })
    cfg.settings
  ];
  # `%` begins a specifier of systemd, in Environment=, too.
  escaped = builtins.mapAttrs (
    name: value: if name == "KUBECONFIG" then value else builtins.replaceStrings [ "%" ] [ "%%" ] value
  ) environment;

  databases =
    (if cfg.database.createLocally then [ "postgresql.target" ] else [ ])
    ++ (if cfg.redis.createLocally then [ "redis-paas.service" ] else [ ]);

  # What holds for every unit; the panel needs to write in its two folders and nowhere else.
  common = {
    Slice = "system-paas.slice";
    WorkingDirectory = "/";
    StateDirectory = "paas";
    StateDirectoryMode = "0700";
    UMask = "0077";
    LimitNOFILE = 65536;
  }
  // when (cfg.environmentFile != null) { EnvironmentFile = cfg.environmentFile; };
  asUser = {
    User = "paas";
    Group = "paas";
    LoadCredential = [ "kubeconfig:${cfg.kubernetes.kubeconfig}" ];
    NoNewPrivileges = true;
    CapabilityBoundingSet = "";
    ProtectSystem = "strict";
    ReadWritePaths = [ run ] ++ (if cfg.nix.store == null then [ ] else [ cfg.nix.store ]);
    ProtectHome = true;
    PrivateTmp = true;
    ProtectKernelModules = true;
    RestrictSUIDSGID = true;
    RestrictRealtime = true;
    LockPersonality = true;
    RemoveIPC = true;
    SystemCallArchitectures = "native";
  };
  hardened = asUser // {
    PrivateDevices = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    RestrictNamespaces = true;
    RestrictAddressFamilies = [
      "AF_UNIX"
      "AF_INET"
      "AF_INET6"
      "AF_NETLINK"
    ];
    SystemCallFilter = [
      "@system-service"
      "~@privileged"
    ];
  };
  # web and worker evaluate and build what users push, in sandboxes that are namespaces of their
  # own: these need a /proc without mounts upon it, and a control group to make others in.
  building = asUser // {
    Delegate = true;
  };

  unit =
    {
      part,
      description,
      service ? { },
      unit ? { },
    }:
    {
      inherit description;
      inherit (cfg) path;
      environment = escaped;
      wantedBy = [ "multi-user.target" ];
      requires = [ "paas-init.service" ];
      after = [ "paas-init.service" ];
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig =
        common
        // {
          ExecStart = "${cfg.package}/bin/paas-panel ${part}";
          Restart = "always";
          RestartSec = 2;
        }
        // service;
    }
    // unit;

  parts = {
    paas-init = unit {
      part = "init";
      description = "paas: its keys, and its database brought up to date";
      service = hardened // {
        Type = "oneshot";
        RemainAfterExit = true;
        # The cluster may come up later than this; the parts wait meanwhile instead of failing.
        Restart = "on-failure";
        RestartMode = "direct";
        RestartSec = 5;
      };
      unit = {
        wants = [ "network-online.target" ];
        requires = databases;
        after = databases ++ [
          "network-online.target"
          "k3s.service"
        ];
      };
    };
    paas-web = unit {
      part = "web";
      description = "paas: API and pages";
      service = building;
    };
    paas-worker = unit {
      part = "worker";
      description = "paas: builds and deploys";
      # What is being built may end; after that it is `failed: worker lost`.
      service = building // {
        TimeoutStopSec = 120;
      };
    };
    paas-beat = unit {
      part = "beat";
      description = "paas: its clock";
      service = hardened;
    };
    paas-gateway = unit {
      part = "gateway";
      description = "paas: git, and the terminals of one-offs";
      service = hardened // bindsLow [
        cfg.sshPort
        cfg.rendezvousPort
      ];
    };
    paas-observer = unit {
      part = "observer";
      description = "paas: the apps' logs and states";
      service = hardened;
    };
    paas-caddy = unit {
      part = "caddy";
      description = "paas: the front door";
      service = hardened // bindsLow [
        cfg.port
        cfg.httpsPort
      ];
    };
  };
  bindsLow =
    ports:
    when (builtins.any (port: port < 1024) ports) {
      AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
      CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
    };

  # The apps are this machine's: one launcher holds all, and isolates them by users, as root.
  whole.paas = {
    description = "paas: the panel and its apps";
    inherit (cfg) path;
    environment = escaped;
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    requires = databases;
    after = databases ++ [ "network-online.target" ];
    serviceConfig = common // {
      ExecStart = "${cfg.package}/bin/paas-panel";
      Restart = "always";
      RestartSec = 2;
      Delegate = true;
      KillMode = "mixed";
      TimeoutStopSec = 90; # apps have 30 s to stop
      ProtectHome = true;
      PrivateTmp = true;
    };
  };

  ports =
    [
      cfg.port
      cfg.sshPort
      cfg.rendezvousPort
    ]
    ++ (
      if cfg.tls == "auto" || cfg.tls == "internal" then
        [ cfg.httpsPort ]
      else
        [ ]
    );
in
{
  options.services.paas = {
    enable = mkEnableOption "paas, a platform to push apps to";
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../panel { };
      defaultText = "the panel of this flake";
      description = "What `bin/paas-panel` and `bin/paas` are taken from.";
    };
    path = mkOption {
      type = types.listOf types.package;
      default = [
        config.nix.package
        pkgs.bubblewrap
        pkgs.caddy
        pkgs.git
        pkgs.postgresql
        pkgs.redis
        pkgs.util-linux
      ];
      defaultText = "Nix, bubblewrap, Caddy, git, PostgreSQL's and Redis' programs, util-linux";
      description = "The programs that the panel runs.";
    };
    runtime = mkOption {
      type = types.enum [
        "kubernetes"
        "local"
      ];
      default = "kubernetes";
      description = "Where apps run: on the cluster that the kubeconfig names, or on this machine.";
    };
    builder = mkOption {
      type = types.enum [
        "nix"
        "host"
      ];
      default = "nix";
      description = "What builds apps. A cluster needs `nix`.";
    };
    domain = mkOption {
      type = types.str;
      example = "apps.example.org";
      description = "The panel's host name; an app's is `<app>.<domain>`.";
    };
    bind = mkOption {
      type = types.str;
      default = "0.0.0.0";
      description = "The address that the front door, SSH and attached one-offs listen on.";
    };
    port = mkOption {
      type = types.port;
      default = 8080;
      description = "The front door's port for HTTP.";
    };
    httpsPort = mkOption {
      type = types.port;
      default = if cfg.tls == "proxy" then 443 else 8443;
      defaultText = "8443; with tls = \"proxy\" 443";
      description = "The front door's port for HTTPS, or that of the proxy before it.";
    };
    sshPort = mkOption {
      type = types.port;
      default = 2222;
      description = "The port of git over SSH.";
    };
    rendezvousPort = mkOption {
      type = types.port;
      default = 5000;
      description = "The port over which `paas run` attaches terminals.";
    };
    tls = mkOption {
      type = types.enum [
        "off"
        "internal"
        "auto"
        "proxy"
      ];
      default = "off";
      description = ''
        Whose certificates the panel's address has: none, the front door's own CA's, an ACME CA's,
        or those of a proxy before it, such as the cluster's ingress controller.
      '';
    };
    acmeEmail = mkOption {
      type = types.str;
      default = "";
      description = "Where the ACME CA sends warnings.";
    };
    httpsRedirect = mkOption {
      type = types.bool;
      default = false;
      description = "Whether HTTP goes to HTTPS where there is a certificate.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether others reach the front door, SSH and attached one-offs.";
    };
    environmentFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/paas.env";
      description = ''
        A file on the machine with variables that are secrets, a `NAME=value` a line:
        `DATABASE_URL` and `PAAS_REDIS_URL` of servers elsewhere.
      '';
    };
    settings = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        PAAS_API_CALLS_PER_HOUR = "9000";
      };
      description = "Further variables, as docs/operations.md has them; they win over the options.";
    };
    database.createLocally = mkOption {
      type = types.bool;
      default = true;
      description = "Whether PostgreSQL of this machine holds the database, reached by its socket.";
    };
    redis.createLocally = mkOption {
      type = types.bool;
      default = true;
      description = "Whether a Redis of this machine is the queue, reached by its socket.";
    };
    kubernetes = {
      kubeconfig = mkOption {
        type = types.path;
        default = "/etc/rancher/k3s/k3s.yaml";
        description = ''
          The cluster and the account on it, on the machine; root's own file will do, since systemd
          hands it over. k3s' own file is its administrator's: docs/operations.md makes an account
          that may do what the panel does and no more.
        '';
      };
      ingressClass = mkOption {
        type = types.str;
        default = "traefik";
        description = "The class of the apps' Ingresses; empty: the cluster's default.";
      };
      ingressNamespace = mkOption {
        type = types.str;
        default = "kube-system";
        description = "Where the ingress controller runs: it alone may speak to the apps.";
      };
      clusterIssuer = mkOption {
        type = types.str;
        default = "";
        description = "cert-manager's ClusterIssuer for the apps' certificates; empty: no TLS.";
      };
      wildcardTls = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the ingress controller's default certificate serves the apps' names.";
      };
      gateway = mkOption {
        type = types.str;
        default = "";
        example = "kube-system/traefik-gateway";
        description = "A Gateway (`namespace/name`): HTTPRoutes instead of Ingresses.";
      };
      nodeSelector = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = {
          "paas.dev/apps" = "true";
        };
        description = "Labels of the nodes that run apps; none: all nodes do.";
      };
    };
    nix = {
      packages = mkOption {
        type = types.enum [
          "nixpkgs"
          "debian"
        ];
        default = "nixpkgs";
        description = "The package set that apps are built from.";
      };
      store = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/srv/paas-nix";
        description = ''
          A folder for a store of the panel's own, which exists and is the user paas'; null: the
          machine's store, by its daemon.
        '';
      };
      cache = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "s3://builds?region=eu-central-1";
        description = "Where builds are pushed for the nodes; null: the panel's own, at /cache/.";
      };
      substituters = mkOption {
        type = types.listOf types.str;
        default = [ "https://cache.nixos.org" ];
        description = "Where packages are fetched from rather than built.";
      };
      trustedKeys = mkOption {
        type = types.listOf types.str;
        default = [ "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
        description = "The keys that sign what they hold.";
      };
      imageTransport = mkOption {
        type = types.enum [
          "nix0"
          "registry"
        ];
        default = "registry";
        description = ''
          How the cluster names images: in the panel's registry, or by store path, which the
          containerd of today's k3s (2.1 to 2.3) cannot start.
        '';
      };
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      assertions = [
        {
          assertion = !cluster || cfg.builder == "nix";
          message = "services.paas: a cluster runs images, which the host builder does not make. Set services.paas.builder = \"nix\".";
        }
        {
          assertion = cfg.tls != "auto" || cfg.domain != "localhost";
          message = "services.paas: tls = \"auto\" needs a domain that others can reach. Set services.paas.domain.";
        }
        {
          assertion = (cfg.database.createLocally && cfg.redis.createLocally) || cfg.environmentFile != null;
          message = "services.paas: where PostgreSQL or Redis is another machine's, services.paas.environmentFile names the file with DATABASE_URL and PAAS_REDIS_URL.";
        }
      ];
      systemd.services = if cluster then parts else whole;
      systemd.tmpfiles.rules = if cluster then [ "d ${run} 0700 paas paas - -" ] else [ ];
      environment.systemPackages = [ cfg.package ];
      # What users push is built apart, whatever else the machine builds.
      nix.settings.sandbox = mkDefault true;
    }
    (mkIf cluster {
      users.users.paas = {
        isSystemUser = true;
        group = "paas";
        inherit home;
        extraGroups = if cfg.redis.createLocally then [ "redis-paas" ] else [ ];
      };
      users.groups.paas = { };
    })
    (mkIf cfg.database.createLocally {
      services.postgresql = {
        enable = true;
        ensureDatabases = [ "paas" ];
        ensureUsers = [
          {
            name = "paas";
            ensureDBOwnership = true;
          }
        ];
      };
    })
    (mkIf (cfg.database.createLocally && !cluster) {
      # The launcher is root, and the database's user is not.
      services.postgresql.identMap = "paas root paas\npaas paas paas";
      services.postgresql.authentication = "local paas paas peer map=paas";
    })
    (mkIf cfg.redis.createLocally {
      services.redis.servers.paas = {
        enable = true;
        port = 0;
        unixSocket = "/run/redis-paas/redis.sock";
        unixSocketPerm = 660;
        appendOnly = true;
        save = [ ];
        settings.maxmemory-policy = "noeviction"; # a queue that drops messages loses deploys
      };
    })
    (mkIf cfg.openFirewall {
      networking.firewall.allowedTCPPorts = ports;
    })
  ]);
}
