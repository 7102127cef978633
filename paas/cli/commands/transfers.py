"""Giving an app to somebody else, who has to accept it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli.client import Panel
from paas.cli.console import Progress, note, say, show_json, show_table
from paas.cli.errors import CliError
from paas.cli.options import App, Json, new_group, panel, panel_and_app

commands = new_group()

_PATH = ("account", "app-transfers")


@commands.command("apps:transfer")
def transfer(
    recipient: Annotated[str, typer.Argument(metavar="EMAIL", help="A collaborator of the app.")],
    app: App = None,
    json: Json = False,
) -> None:
    """Offer an app to one of its collaborators; it is theirs when they accept.

    Example: paas apps:transfer user@example.org -a hello
    """
    client, name = panel_and_app(app)
    with Progress(f"Initiating transfer of {name} to {recipient}"):
        made = client.post(*_PATH, body={"app": name, "recipient": recipient})
    if json:
        return show_json(made)
    return say(f"It is theirs when they run: paas apps:transfers:accept -a {name}")


@commands.command("apps:transfers")
def transfers(json: Json = False) -> None:
    """List the app transfers you made or were offered.

    Example: paas apps:transfers
    """
    found = panel().list(*_PATH)
    if json:
        return show_json(found)
    if not found:
        return note("There are no app transfers.")
    return show_table([_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[object]:
    return [one["app"]["name"], one["owner"]["email"], one["recipient"]["email"], one["state"]]


@commands.command("apps:transfers:accept")
def accept(app: App = None, json: Json = False) -> None:
    """Take an app that was offered to you; its owner becomes a collaborator.

    Example: paas apps:transfers:accept -a hello
    """
    _answer(app, "Accepting", "accepted", json)


@commands.command("apps:transfers:decline")
def decline(app: App = None, json: Json = False) -> None:
    """Do not take an app that was offered to you.

    Example: paas apps:transfers:decline -a hello
    """
    _answer(app, "Declining", "declined", json)


@commands.command("apps:transfers:cancel")
def cancel(app: App = None, json: Json = False) -> None:
    """Take back the offer of an app.

    Example: paas apps:transfers:cancel -a hello
    """
    client, name = panel_and_app(app)
    with Progress(f"Cancelling the transfer of {name}"):
        gone = client.delete(*_PATH, _pending(client, name))
    if json:
        show_json(gone)


def _answer(app: str | None, doing: str, state: str, json: bool) -> None:
    client, name = panel_and_app(app)
    with Progress(f"{doing} the transfer of {name}"):
        settled = client.patch(*_PATH, _pending(client, name), body={"state": state})
    if json:
        show_json(settled)


def _pending(client: Panel, app: str) -> str:
    """The id of the app's open offer; there is one at most."""
    for one in client.list(*_PATH):
        if one["app"]["name"] == app and one["state"] == "pending":
            return str(one["id"])
    raise CliError(f"{app} is not on offer.", "See: paas apps:transfers")
