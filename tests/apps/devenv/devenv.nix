{ pkgs, lib, config, ... }:

{
  packages = [ pkgs.jq ];

  env.GREETING = "Hello from devenv";

  languages.python.enable = true;

  scripts.greet.exec = ''
    jq --raw-output .text ${./greeting.json}
  '';

  processes.web.exec = ''
    exec python -u server.py --port "$PORT"
  '';

  services.redis.enable = true;
  enterShell = "echo only for developers";
}
