"""One-off processes: attached to this terminal, or on their own."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Any

import typer

from paas.cli.client import Panel
from paas.cli.command_line import CommandLine
from paas.cli.commands import logs
from paas.cli.console import Progress, say, show_json
from paas.cli.errors import UsageError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

Command = Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run.")]
Size = Annotated[str | None, typer.Option("--size", "-s", help="Its size.")]
Env = Annotated[
    list[str] | None, typer.Option("--env", "-e", metavar="NAME=VALUE", help="Set for it alone.")
]


@commands.command("run", cls=CommandLine)
def run(
    command: Command,
    app: App = None,
    size: Size = None,
    env: Env = None,
    no_tty: Annotated[
        bool, typer.Option("--no-tty", help="Pipes, even where a terminal is.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", "-x", help="Always so: its status is this command's.")
    ] = False,
) -> None:
    """Run a command in a process of its own, connected with this terminal.

    Its exit status becomes this command's. Where input or output is no
    terminal, the bytes pass as they are: paas run pg_dump > dump.sql

    Example: paas run bash
    """
    import asyncio  # with ssl slow to import, and no other command needs them

    from paas.cli import attach

    client, name = panel_and_app(app)
    terminal = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    body = _body(command, size, env) | {"attach": True, "force_no_tty": not terminal}
    if terminal:
        body["env"] |= attach.terminal_environment()
    with asyncio.Runner() as runner:
        with Progress(f"Running {body['command']} on {name}") as progress:
            made = client.post("apps", name, "dynos", body=body)
            connecting = attach.connect(made["attach_url"], client.text("ca.pem"))
            connection = runner.run(connecting)
            progress.done(f"up, {made['name']}")
        status = runner.run(connection.serve(made["name"], terminal=terminal))
    raise typer.Exit(status)


@commands.command("run:detached", cls=CommandLine)
def run_detached(
    command: Command,
    app: App = None,
    size: Size = None,
    env: Env = None,
    tail: Annotated[bool, typer.Option("--tail", "-t", help="Show its output.")] = False,
    json: Json = False,
) -> None:
    """Run a command in a process of its own; its output goes to the log.

    Example: paas run:detached -- python manage.py migrate
    """
    client, name = panel_and_app(app)
    body = _body(command, size, env) | {"attach": False}
    made = _start(client, name, body)
    if json:
        show_json(made)
    elif not tail:
        say(f"Run paas logs --app {name} --ps {made['name']} to view the output.")
    if tail:
        logs.logs(app=name, tail=True, dyno=made["name"], json=json)


def _start(client: Panel, app: str, body: dict[str, Any]) -> Any:
    with Progress(f"Running {body['command']} on {app}") as progress:
        made = client.post("apps", app, "dynos", body=body)
        progress.done(f"done, {made['name']}")
    return made


def _body(command: list[str], size: str | None, env: list[str] | None) -> dict[str, Any]:
    """The request that all kinds of one-offs have in common."""
    line = command[0] if len(command) == 1 else shlex.join(command)
    body: dict[str, Any] = {"command": line, "env": dict(map(_pair, env or ()))}
    return body | ({"size": size} if size else {})


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"{text} sets nothing.", "Use -e NAME=VALUE, once for each.")
    return name, value
