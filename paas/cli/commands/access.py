"""Who may work on an app: list, give, change and take rights."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli.console import Progress, say, show_json, show_table
from paas.cli.errors import UsageError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Whose access.")]
_PERMISSIONS_HELP = "view, deploy, operate or manage; each includes those before it."


@commands.command("access")
def access(app: App = None, json: Json = False) -> None:
    """List who has access to an app, and to do what.

    Example: paas access -a hello
    """
    client, name = panel_and_app(app)
    found = client.list("apps", name, "collaborators")
    if json:
        return show_json(found)
    return show_table([_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[object]:
    return [one["user"]["email"], one["role"], ", ".join(_names(one))]


def _names(one: dict[str, Any]) -> list[str]:
    return [permission["name"] for permission in one["permissions"]]


@commands.command("access:add")
def add(
    email: Email,
    app: App = None,
    permissions: Annotated[
        str | None,
        typer.Option("--permissions", "-p", help=f"{_PERMISSIONS_HELP} Default: operate."),
    ] = None,
    json: Json = False,
) -> None:
    """Give somebody access to an app; who has no account yet gets an invitation.

    Example: paas access:add user@example.org -a hello --permissions deploy
    """
    client, name = panel_and_app(app)
    body: dict[str, object] = {"user": email}
    doing = f"Adding {email} access to the app {name}"
    if permissions is not None:
        body["permissions"] = _parse(permissions)
        doing += f" with {permissions} permissions"
    with Progress(doing) as progress:
        made = client.post("apps", name, "collaborators", body=body)
        if "token" in made:
            progress.done("done, invited")
    if json:
        return show_json(made)
    return show_invitation(made) if "token" in made else None


def show_invitation(made: dict[str, Any]) -> None:
    """How the invited get in; the panel says it this once."""
    say(f"{made['email']} has no account yet. Pass this link on to them, and to nobody else:")
    say(f"  {made['url']}")
    say(f"or let them run: paas invitations:accept {made['url']}")


@commands.command("access:update")
def update(
    email: Email,
    permissions: Annotated[str, typer.Option("--permissions", "-p", help=_PERMISSIONS_HELP)],
    app: App = None,
    json: Json = False,
) -> None:
    """Change what a collaborator may do.

    Example: paas access:update user@example.org -a hello --permissions manage
    """
    client, name = panel_and_app(app)
    body = {"permissions": _parse(permissions)}
    doing = f"Updating {email} in application {name} with {permissions} permissions"
    with Progress(doing):
        changed = client.patch("apps", name, "collaborators", email, body=body)
    if json:
        show_json(changed)


@commands.command("access:remove")
def remove(email: Email, app: App = None, json: Json = False) -> None:
    """Take somebody's access to an app, or leave it yourself.

    Example: paas access:remove user@example.org -a hello
    """
    client, name = panel_and_app(app)
    with Progress(f"Removing {email} access from the app {name}"):
        gone = client.delete("apps", name, "collaborators", email)
    if json:
        show_json(gone)


def _parse(permissions: str) -> list[str]:
    names = [part.strip() for part in permissions.split(",") if part.strip()]
    if not names:
        raise UsageError("--permissions names none.", "Example: --permissions deploy")
    return names
