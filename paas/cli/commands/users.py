"""The users of this paas, for its admins; and your own account."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli.console import Progress, ask_secret, say, show_facts, show_json, show_table, show_time
from paas.cli.errors import UsageError
from paas.cli.options import Json, new_group, panel

commands = new_group()

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Whom.")]


@commands.command("users")
def users(json: Json = False) -> None:
    """List all users, as an admin.

    Example: paas users
    """
    found = panel().list("users")
    if json:
        return show_json(found)
    return show_table([_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[object]:
    seen = f"last login {show_time(one['last_login'])}" if one["last_login"] else ""
    return [one["email"], one["name"], "admin" if one["admin"] else "", seen]


@commands.command("users:create")
def create(
    email: Email,
    name: Annotated[str, typer.Option("--name", help="Their name.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    json: Json = False,
) -> None:
    """Make a user, as an admin; the password is made up and shown this once.

    Example: paas users:create user@example.org
    """
    with Progress(f"Creating user {email}"):
        made = panel().post("users", body={"email": email, "name": name, "admin": admin})
    _show_password(made, json)


@commands.command("users:reset-password")
def reset_password(email: Email, json: Json = False) -> None:
    """Give a user another password, as an admin; all their tokens end.

    Example: paas users:reset-password user@example.org
    """
    with Progress(f"Resetting the password of {email}"):
        made = panel().post("users", email, "actions", "reset-password", body={})
    _show_password(made, json)


def _show_password(made: dict[str, Any], json: bool) -> None:
    if json:
        return show_json(made)
    show_facts({"Email": made["email"], "Password": made["password"]})
    return say(f"Sign in: paas login -e {made['email']}. Change it: paas account:update --password")


@commands.command("users:remove")
def remove(
    email: Email,
    confirm: Annotated[
        str | None, typer.Option("--confirm", "-c", metavar="EMAIL", help="The address once more.")
    ] = None,
    transfer_to: Annotated[
        str | None, typer.Option("--transfer-to", metavar="EMAIL", help="Who gets their apps.")
    ] = None,
    json: Json = False,
) -> None:
    """Remove a user with their tokens and rights, as an admin.

    Example: paas users:remove user@example.org --confirm user@example.org
    """
    if confirm != email:
        raise UsageError(
            f"This removes {email} for ever, so it has to be confirmed by address.",
            f"paas users:remove {email} --confirm {email}",
        )
    body = {"transfer_to": transfer_to}
    with Progress(f"Removing user {email}"):
        gone = panel().request("DELETE", "users", email, body=body).body
    if json:
        show_json(gone)


@commands.command("account:update")
def update(
    name: Annotated[str | None, typer.Option("--name", help="Your name.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Your address.")] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a new password; other tokens end.")
    ] = False,
    json: Json = False,
) -> None:
    """Change your own name, address or password.

    Example: paas account:update --password
    """
    given = {"name": name, "email": email}
    body = {key: value for key, value in given.items() if value is not None}
    if not body and not password:
        raise UsageError("What is to change?", "paas account:update --name 'Ada Lovelace'")
    if email is not None or password:
        body["password"] = ask_secret("Present password")
    if password:
        body["new_password"] = ask_secret("New password")
    with Progress("Updating your account"):
        changed = panel().patch("account", body=body)
    if json:
        show_json(changed)
