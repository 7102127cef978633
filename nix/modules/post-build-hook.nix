# What this machine builds, it uploads, so that no other builds it again: for developers' machines
# and CI. Builds do not wait: a hook notes the paths, a service uploads them, again and again until
# it has succeeded.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkEnableOption
    mkIf
    mkOption
    types
    ;
  cfg = config.services.paas-upload-builds;
  nix = config.nix.package;
  hook = pkgs.writeShellScript "paas-post-build-hook" ''
    exec ${pkgs.runtimeShell} ${./post-build-hook.sh} ${cfg.spool} ${nix}/bin/nix-store
  '';
in
{
  options.services.paas-upload-builds = {
    enable = mkEnableOption "uploading what is built here to a binary cache";
    to = mkOption {
      type = types.str;
      example = "s3://builds?region=eu-central-1";
      description = "The cache, as `nix copy --to` takes it.";
    };
    signingKeyFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = ''
        The key that signs what is built here (`nix-store --generate-binary-cache-key`); a path on
        the machine, never in the store. Whoever fetches must trust its public half.
      '';
    };
    spool = mkOption {
      type = types.str;
      default = "/var/spool/paas-upload-builds";
      description = "Where what is still to be uploaded is noted; without blanks.";
    };
    retryAfter = mkOption {
      type = types.ints.positive;
      default = 60;
      description = "Seconds after which an upload that has failed is tried again.";
    };
  };

  config = mkIf cfg.enable {
    nix.settings = {
      post-build-hook = hook;
    }
    // (if cfg.signingKeyFile == null then { } else { secret-key-files = [ cfg.signingKeyFile ]; });

    systemd.tmpfiles.rules = [ "d ${cfg.spool} 0755 root root - -" ];
    systemd.paths.paas-upload-builds = {
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathExistsGlob = "${cfg.spool}/*.paths";
    };
    systemd.services.paas-upload-builds = {
      description = "Upload what was built here to ${cfg.to}";
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      # Tried for ever: a laptop is offline for hours.
      startLimitIntervalSec = 0;
      serviceConfig = {
        Type = "oneshot";
        Restart = "on-failure";
        RestartSec = cfg.retryAfter;
        ExecStart = [
          "${pkgs.runtimeShell} ${./upload-spooled.sh} ${cfg.spool} ${nix}/bin/nix ${
            builtins.replaceStrings [ "%" ] [ "%%" ] cfg.to
          }"
        ];
      };
    };
  };
}
