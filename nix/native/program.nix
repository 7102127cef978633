# A package that is an app → what the result is made of: `web` runs its program.
#
# processes: passthru of the package may name others, `{ web = "program --port $PORT"; }`.
{ lib, refuse }:
{ package, file, program ? null }:
let
  processes = package.processes or { };
  wrong = builtins.filter (name: !builtins.isString processes.${name}) (
    builtins.attrNames processes
  );
  command = text: {
    exec = text;
    cwd = ".";
    environment = { };
  };
in
if wrong != [ ] then
  refuse {
    what = "processes.${builtins.head wrong} must be a text";
    why = "It is the command that runs the process.";
    fix = "Correct processes in ${file}.";
    inherit file;
  }
else
  {
    packages = [ package ];
    processes =
      if processes != { } then
        builtins.mapAttrs (_: command) processes
      else
        {
          web = command "exec ${if program != null then program else lib.getExe package}";
        };
  }
