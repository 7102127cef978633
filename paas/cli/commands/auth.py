"""Who this command is: sign in and out, show it."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Annotated

import typer

from paas.cli.client import Panel
from paas.cli.console import Progress, ask, ask_secret, note, say, show_json
from paas.cli.errors import ApiError, CliError
from paas.cli.logins import Login, Logins
from paas.cli.options import Json, new_group, panel
from paas.cli.target import anonymous, find_target, panel_url

commands = new_group()


@commands.command("login")
@commands.command("auth:login")
def login(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="The panel. Default: PAAS_URL, then this machine's."),
    ] = None,
    email: Annotated[
        str | None, typer.Option("--email", "-e", help="Your address; it is asked for otherwise.")
    ] = None,
    json: Json = False,
) -> None:
    """Sign in with address and password; the token is kept for this panel, for 30 days.

    Example: paas login https://paas.example.org
    """
    logins = Logins(os.environ)
    target = anonymous(url or os.environ.get("PAAS_URL") or panel_url(os.environ, logins))
    who = email or ask("Email")
    body = {"email": who, "password": ask_secret("Password"), "description": _description()}
    try:
        made = Panel(target).post("auth", "login", body=body)
    except ApiError as error:
        raise CliError(error.message) from error  # without the hint to sign in
    user = str(made["user"]["email"])
    logins.keep(target.url, Login(made["access_token"]["token"], user, str(made["id"])))
    if json:
        return show_json({"url": target.url, "user": user})
    note(f"Logged in as {user}")
    if os.environ.get("PAAS_TOKEN"):
        note("PAAS_TOKEN is set and counts before this. To use the login: unset PAAS_TOKEN")
    return None


def _description() -> str:
    return f"paas login on {socket.gethostname()}"[:200]


@commands.command("logout")
@commands.command("auth:logout")
def logout(json: Json = False) -> None:
    """Revoke the token that `paas login` keeps, and forget it.

    Example: paas logout
    """
    logins = Logins(os.environ)
    url = (os.environ.get("PAAS_URL") or panel_url(os.environ, logins)).strip().rstrip("/")
    held = logins.at(url)
    if held is None:
        raise CliError(f"Nobody is signed in at {url} by `paas login`.")
    with Progress("Logging out"):
        target = anonymous(url)
        try:
            client = Panel(replace(target, token=held.token))
            client.delete("oauth", "authorizations", held.authorization)
        except ApiError as error:
            if error.status not in (401, 404):  # it had ended already
                raise
        logins.forget(url)
    if json:
        show_json({"url": url, "user": held.user})


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
