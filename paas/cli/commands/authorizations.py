"""Your tokens (Heroku's OAuth authorizations)."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli.console import Progress, say, show_facts, show_json, show_table, show_time
from paas.cli.options import Json, new_group, panel

commands = new_group()

Key = Annotated[str, typer.Argument(metavar="ID", help="See: paas authorizations.")]


@commands.command("authorizations")
def list_authorizations(json: Json = False) -> None:
    """List your tokens; the tokens themselves are not shown again.

    Example: paas authorizations --json
    """
    found = panel().list("oauth", "authorizations")
    if json:
        return show_json(found)
    if not found:
        return say("No OAuth authorizations.")
    return show_table([_row(one) for one in sorted(found, key=lambda one: one["description"])])


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
    short: Annotated[bool, typer.Option("--short", "-S", help="Only print the token.")] = False,
    json: Json = False,
) -> None:
    """Make a token; it is shown this once.

    Example: paas authorizations:create -d ci -s write -e 3600
    """
    scopes = [part.strip() for part in scope.split(",") if part.strip()]
    body = {"description": description, "scope": scopes, "expires_in": expires_in}
    with Progress("Creating OAuth Authorization"):
        made = panel().post("oauth", "authorizations", body=body)
    if short:
        return say(made["access_token"]["token"])
    return _show(made, json)


@commands.command("authorizations:info")
def info(key: Key, json: Json = False) -> None:
    """Show one of your tokens, without the token itself.

    Example: paas authorizations:info 4f6c1c2e-7e3b-4f3b-8a64-3f7f1a8f7a10
    """
    _show(panel().get("oauth", "authorizations", key), json)


@commands.command("authorizations:update")
def update(
    key: Key,
    description: Annotated[str, typer.Option("--description", "-d", help="What it is for.")],
    json: Json = False,
) -> None:
    """Say anew what a token is for.

    Example: paas authorizations:update 4f6c1c2e-7e3b-4f3b-8a64-3f7f1a8f7a10 -d nightly
    """
    with Progress("Updating OAuth Authorization"):
        changed = panel().patch("oauth", "authorizations", key, body={"description": description})
    _show(changed, json)


@commands.command("authorizations:rotate")
def rotate(key: Key, json: Json = False) -> None:
    """Replace a token; the old one ends at once, the new one is shown this once.

    Example: paas authorizations:rotate 4f6c1c2e-7e3b-4f3b-8a64-3f7f1a8f7a10
    """
    with Progress("Rotating OAuth Authorization"):
        path = ("oauth", "authorizations", key, "actions", "regenerate-tokens")
        made = panel().post(*path, body={})
    _show(made, json)


@commands.command("authorizations:revoke")
def revoke(key: Key, json: Json = False) -> None:
    """Make a token worthless at once.

    Example: paas authorizations:revoke 4f6c1c2e-7e3b-4f3b-8a64-3f7f1a8f7a10
    """
    with Progress("Revoking OAuth Authorization") as progress:
        gone = panel().delete("oauth", "authorizations", key)
        progress.done(f"done, revoked authorization from {gone['description'] or key}")
    if json:
        show_json(gone)


def _show(one: dict[str, Any], json: bool) -> None:
    if json:
        return show_json(one)
    return show_facts(
        {
            "Client": "<none>",
            "ID": one["id"],
            "Description": one["description"],
            "Scope": ",".join(one["scope"]),
            "Token": one["access_token"]["token"],
            "Expires": _expiry(one),
            "Updated at": show_time(one.get("updated_at")),
        }
    )
