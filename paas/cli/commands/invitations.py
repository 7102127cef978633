"""Invitations: list, make, take back, accept."""

from __future__ import annotations

import os
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from paas.cli.client import Panel
from paas.cli.commands.access import show_invitation
from paas.cli.console import Progress, ask_secret, note, say, show_json, show_table, show_time
from paas.cli.errors import ApiError, CliError
from paas.cli.logins import Logins
from paas.cli.options import Json, new_group, panel
from paas.cli.target import anonymous, panel_url

commands = new_group()


@commands.command("invitations")
def list_invitations(json: Json = False) -> None:
    """List the open invitations you may manage; their links are not shown again.

    Example: paas invitations
    """
    found = panel().list("invitations")
    if json:
        return show_json(found)
    if not found:
        return note("There are no open invitations. To invite: paas access:add EMAIL -a NAME")
    return show_table([_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[object]:
    app = one["app"]["name"] if one["app"] else "-"
    names = ", ".join(permission["name"] for permission in one["permissions"])
    return [one["email"], one["id"], app, names, f"by {one['invited_by']['email']}", _expiry(one)]


def _expiry(one: dict[str, Any]) -> str:
    return f"until {show_time(one['expires_at']).partition(' (')[0]}"


@commands.command("invitations:create")
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whom.")], json: Json = False
) -> None:
    """Invite somebody to this paas, as an admin; to an app: paas access:add.

    Example: paas invitations:create user@example.org
    """
    with Progress(f"Inviting {email}"):
        made = panel().post("invitations", body={"email": email})
    if json:
        return show_json(made)
    return show_invitation(made)


@commands.command("invitations:revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|EMAIL", help="See: paas invitations.")],
    json: Json = False,
) -> None:
    """Make an invitation's link worthless; by address, all of them you may manage.

    Example: paas invitations:revoke user@example.org
    """
    client = panel()
    keys = [one["id"] for one in client.list("invitations") if one["email"] == key.lower()]
    with Progress(f"Revoking the invitation {key}"):
        gone = [client.delete("invitations", one) for one in keys or [key]]
    if json:
        show_json(gone)


@commands.command("invitations:accept")
def accept(
    token: Annotated[str, typer.Argument(metavar="LINK|TOKEN", help="What you were sent.")],
    name: Annotated[str, typer.Option("--name", help="Your name.")] = "",
    json: Json = False,
) -> None:
    """Accept an invitation: choose a password, then sign in.

    Example: paas invitations:accept https://paas.example.org/dashboard/invitations/TOKEN
    """
    target = anonymous(_origin(token))
    password = ask_secret("Password (a new one; the present one if you have an account)")
    body = {"token": token.rpartition("/")[2], "password": password, "name": name}
    try:
        made = Panel(target).post("invitations", "actions", "accept", body=body)
    except ApiError as error:
        raise CliError(error.message) from error  # without the hint to sign in
    if json:
        show_json(made)
    else:
        say(f"Welcome, {made['email']}. Sign in: paas login {target.url} -e {made['email']}")


def _origin(link: str) -> str:
    parts = urlsplit(link)
    if parts.scheme and parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    return os.environ.get("PAAS_URL") or panel_url(os.environ, Logins(os.environ))
