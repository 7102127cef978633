"""The commands, a module a group; `paas.cli.registry` says which is where."""
