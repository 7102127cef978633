"""Which module holds which command; a module is imported when its command is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from paas.cli.coercion import lighten

_MODULES = {
    "apps": (
        "create",
        "apps:create",
        "apps",
        "apps:info",
        "apps:rename",
        "apps:destroy",
        "git:remote",
        "open",
    ),
    "config": ("config", "config:get", "config:set", "config:unset"),
    "releases": ("releases", "releases:info", "releases:preview", "releases:output", "rollback"),
    "builds": (
        "builds",
        "builds:info",
        "builds:output",
        "builds:cancel",
        "builds:diff",
        "builds:verify",
    ),
    "logs": ("logs",),
    "cron": ("cron", "cron:runs", "cron:run", "cron:suspend", "cron:resume"),
    "domains": (
        "domains",
        "domains:add",
        "domains:info",
        "domains:wait",
        "domains:remove",
        "domains:clear",
    ),
    "certs": ("certs", "certs:add", "certs:info", "certs:update", "certs:remove"),
    "ps": ("ps", "ps:scale", "ps:autoscale", "ps:restart", "ps:stop"),
    "run": ("run", "run:detached"),
    "maintenance": ("maintenance", "maintenance:on", "maintenance:off"),
    "access": ("access", "access:add", "access:update", "access:remove"),
    "transfers": (
        "apps:transfer",
        "apps:transfers",
        "apps:transfers:accept",
        "apps:transfers:decline",
        "apps:transfers:cancel",
    ),
    "invitations": (
        "invitations",
        "invitations:create",
        "invitations:revoke",
        "invitations:accept",
    ),
    "users": ("users", "users:create", "users:remove", "users:reset-password", "account:update"),
    "auth": ("login", "auth:login", "logout", "auth:logout", "auth:whoami", "auth:token"),
    "authorizations": (
        "authorizations",
        "authorizations:create",
        "authorizations:info",
        "authorizations:update",
        "authorizations:rotate",
        "authorizations:revoke",
    ),
    "keys": ("keys", "keys:add", "keys:remove", "keys:clear"),
    "nodes": (
        "nodes:tokens",
        "nodes:tokens:create",
        "nodes:tokens:revoke",
        "cache:info",
        "cache:gc",
    ),
    "machine": ("doctor", "backup", "restore"),
    "help": ("help",),
}
_MODULE_OF = {command: module for module, commands in _MODULES.items() for command in commands}


class _Commands(Mapping[str, Any]):
    """All commands by name; looking one up imports its module."""

    def __getitem__(self, name: str) -> Any:
        module = import_module(f"paas.cli.commands.{_MODULE_OF[name]}")
        return typer.main.get_group(module.commands).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULE_OF)

    def __len__(self) -> int:
        return len(_MODULE_OF)


class LazyGroup(TyperGroup):
    """The root command, which knows its commands by name only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()  # type: ignore[assignment]  # read-only is all typer needs

    def get_params(self, ctx: Any) -> list[Any]:
        return [lighten(param) for param in super().get_params(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            for param in command.get_params(ctx):
                lighten(param)
        return command
