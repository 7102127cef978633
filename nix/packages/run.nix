# One build step: busybox' shell, nothing of the machine. Nix kills a builder whose output is at
# its end, so the script's last command must not be exec'd.
{ busybox, system }:
{
  name,
  script,
  path ? [ ],
  ...
}@arguments:
derivation (
  removeAttrs arguments [
    "script"
    "path"
  ]
  // {
    inherit name system;
    builder = "${busybox}/bin/busybox";
    args = [
      "sh"
      "-euc"
      ''
        export PATH=${
          builtins.concatStringsSep ":" (map (one: "${one}/bin") path ++ [ "${busybox}/bin" ])
        } HOME=/build
        ${script}
        :
      ''
    ];
  }
)
