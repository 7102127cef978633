"""Config vars: every change makes a release, and the command waits for it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli import follow
from paas.cli.client import Panel
from paas.cli.console import Progress, say, show_facts, show_json
from paas.cli.errors import CliError, UsageError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()


@commands.command("config")
def show(app: App = None, json: Json = False) -> None:
    """Show all config vars.

    Example: paas config -a hello
    """
    client, name = panel_and_app(app)
    variables = client.get("apps", name, "config-vars")
    if json:
        return show_json(variables)
    say(f"=== {name} Config Vars")
    return _show(variables, sorted(variables))


@commands.command("config:get")
def get(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The variable.")],
    app: App = None,
    json: Json = False,
) -> None:
    """Print the value of one config var; exits 1 if it is not set.

    Example: paas config:get DATABASE_URL
    """
    client, name = panel_and_app(app)
    variables = client.get("apps", name, "config-vars")
    if key not in variables:
        raise CliError(f"{key} is not set on {name}.", f"See all: paas config -a {name}")
    if json:
        show_json({key: variables[key]})
    else:
        say(variables[key])


@commands.command("config:set")
def set_(
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="What to set.")],
    app: App = None,
    json: Json = False,
) -> None:
    """Set config vars: one release, live when the command returns.

    Example: paas config:set GREETING=hi DEBUG=0
    """
    changes = dict(map(_parse, pairs))
    client, name = panel_and_app(app)
    names = ", ".join(changes)
    variables = _change(client, name, f"Setting {names} and restarting {name}", dict(changes))
    if json:
        show_json(variables)
    else:
        _show(variables, [key for key in changes if key in variables])


@commands.command("config:unset")
def unset(
    keys: Annotated[list[str], typer.Argument(metavar="KEY", help="What to remove.")],
    app: App = None,
    json: Json = False,
) -> None:
    """Remove config vars: one release, live when the command returns.

    Example: paas config:unset GREETING
    """
    client, name = panel_and_app(app)
    doing = f"Unsetting {', '.join(keys)} and restarting {name}"
    variables = _change(client, name, doing, dict.fromkeys(keys))
    if json:
        show_json(variables)


def _parse(pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not key or not equals:
        raise UsageError(f"{pair} is not KEY=VALUE.", "Example: paas config:set GREETING=hi")
    return key, value


def _change(client: Panel, app: str, doing: str, changes: dict[str, str | None]) -> dict[str, str]:
    with Progress(doing) as progress:
        answer = client.request("PATCH", "apps", app, "config-vars", body=changes)
        version = answer.headers.get("paas-release")
        if version is None:
            progress.done("done, nothing changed")
        else:
            release = client.get("apps", app, "releases", version)
            follow.wait_for(client, app, release, progress)
            progress.done(f"done, v{version}")
    variables: dict[str, str] = answer.body
    return variables


def _show(variables: dict[str, Any], keys: list[str]) -> None:
    show_facts({key: variables[key] for key in keys})
