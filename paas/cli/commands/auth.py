"""Who this command is, and the tokens (authorizations) of that user."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli.console import Progress, note, say, show_facts, show_json, show_table
from paas.cli.options import Json, new_group, panel
from paas.cli.target import find_target

commands = new_group()


@commands.command("auth:whoami")
def whoami(json: Json = False) -> None:
    """Print the user the token belongs to.

    Example: paas auth:whoami
    """
    account = panel().get("account")
    if json:
        show_json(account)
    else:
        say(account["email"])


@commands.command("auth:token")
def token(json: Json = False) -> None:
    """Print this command's own token, alone.

    Example: PAAS_TOKEN=$(paas auth:token)
    """
    found = find_target().token
    if json:
        show_json({"token": found})
    else:
        print(found)


@commands.command("authorizations")
def list_authorizations(json: Json = False) -> None:
    """List your tokens; the tokens themselves are not shown again.

    Example: paas authorizations --json
    """
    found = panel().list("oauth", "authorizations")
    if json:
        return show_json(found)
    if not found:
        return note("You have no authorizations.")
    return show_table([_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[object]:
    return [one["description"] or "-", one["id"], ",".join(one["scope"]), _expiry(one)]


def _expiry(one: dict[str, Any]) -> str:
    seconds = one["access_token"].get("expires_in")
    return "never expires" if seconds is None else f"expires in {seconds} s"


@commands.command("authorizations:create")
def create(
    description: Annotated[
        str, typer.Option("--description", "-d", help="What it is for.")
    ] = "Long-lived user authorization",
    scope: Annotated[
        str, typer.Option("--scope", "-s", help="Comma-separated, such as read,write.")
    ] = "global",
    expires_in: Annotated[
        int | None, typer.Option("--expires-in", "-e", min=1, help="Seconds; default: never.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a token; it is shown this once.

    Example: paas authorizations:create -d ci -s write -e 3600
    """
    scopes = [part.strip() for part in scope.split(",") if part.strip()]
    body = {"description": description, "scope": scopes, "expires_in": expires_in}
    with Progress("Creating OAuth Authorization"):
        made = panel().post("oauth", "authorizations", body=body)
    if json:
        return show_json(made)
    return show_facts(
        {
            "ID": made["id"],
            "Description": made["description"],
            "Scope": ", ".join(made["scope"]),
            "Token": made["access_token"]["token"],
            "Expires": _expiry(made),
        }
    )


@commands.command("authorizations:revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="See: paas authorizations.")],
    json: Json = False,
) -> None:
    """Make a token worthless at once.

    Example: paas authorizations:revoke 4f6c1c2e-7e3b-4f3b-8a64-3f7f1a8f7a10
    """
    with Progress("Revoking OAuth Authorization") as progress:
        gone = panel().delete("oauth", "authorizations", key)
        progress.done(f"done, revoked authorization {gone['description'] or key}")
    if json:
        show_json(gone)
