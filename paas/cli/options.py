"""Options and look-ups that most commands share."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from paas.cli import git
from paas.cli.client import Panel
from paas.cli.errors import UsageError
from paas.cli.target import Target, find_target

App = Annotated[
    str | None,
    typer.Option(
        "--app", "-a", metavar="NAME", help="The app. Default: PAAS_APP, then the git remote paas."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the API's JSON.")]


def new_group() -> typer.Typer:
    """A module's commands; no rich, no completion: both cost start-up time."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def panel() -> Panel:
    return Panel(find_target())


def panel_and_app(app: str | None) -> tuple[Panel, str]:
    """The panel, and the app that the command is about.

    Raises:
        CliError: there is no panel, or nothing names an app.
    """
    target = find_target()
    name = (default_app(target) or _missing()) if app is None else app  # -a "" is no default
    return Panel(target), name


def default_app(target: Target) -> str | None:
    """What `PAAS_APP` says, else the app of the git remote."""
    return os.environ.get("PAAS_APP") or git.app_of_remote(target)


def _missing() -> str:
    raise UsageError(
        "Which app? Nothing here says so.",
        "Use -a NAME, set PAAS_APP, or connect this repository: paas git:remote -a NAME",
    )
