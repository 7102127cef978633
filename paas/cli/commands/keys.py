"""Your SSH keys: who holds one may push as you."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from paas.cli.client import Panel
from paas.cli.console import Progress, note, show_json, show_table, show_time
from paas.cli.errors import CliError
from paas.cli.options import Json, new_group, panel

commands = new_group()

# The order in which OpenSSH's client offers its own, the hardware's after the others.
_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_MAKE_ONE = "Make one first: ssh-keygen -t ed25519"
_KINDS = ("ssh-", "ecdsa-", "sk-")
_LARGEST_FILE = 64 * 1024


@commands.command("keys")
def list_keys(json: Json = False) -> None:
    """List your SSH keys.

    Example: paas keys --json
    """
    found = panel().list("account", "keys")
    if json:
        return show_json(found)
    if not found:
        return note("You have no SSH keys. Add one: paas keys:add")
    return show_table([_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[object]:
    used = one.get("last_used_at")
    return [
        one["comment"] or "-",
        one["fingerprint"],
        str(one["public_key"]).partition(" ")[0],
        f"used {show_time(used)}" if used else "never used",
    ]


@commands.command("keys:add")
def add(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A .pub file. Default: your own in ~/.ssh."),
    ] = None,
    json: Json = False,
) -> None:
    """Add an SSH key, so that you may push with it.

    Example: paas keys:add ~/.ssh/id_ed25519.pub
    """
    path = _usual_key() if file is None else file.expanduser()
    line = _read(path)
    with Progress(f"Uploading {path} SSH key") as progress:
        added = panel().post("account", "keys", body={"public_key": line})
        progress.done(f"done, {added['fingerprint']}")
    if json:
        show_json(added)


def _usual_key() -> Path:
    folder = Path.home() / ".ssh"
    found = next((path for name in _USUAL if (path := folder / f"{name}.pub").is_file()), None)
    if found is None:
        raise CliError(f"There is no public key in {folder}.", _MAKE_ONE)
    return found


def _read(path: Path) -> str:
    """The key in `path`, checked so far that no private key or other file is sent."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE).decode("utf-8", "replace")
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.", _MAKE_ONE) from error
    if "PRIVATE KEY" in text:
        raise CliError(
            f"{path} is a private key. It stays on this machine; nothing was sent.",
            f"Add the public one: paas keys:add {path}.pub",
        )
    line = text.strip()
    if "\n" in line or not line.startswith(_KINDS):
        raise CliError(
            f"{path} is no public SSH key; nothing was sent.",
            "The file of one ends in .pub, such as ~/.ssh/id_ed25519.pub.",
        )
    return line


@commands.command("keys:remove")
def remove(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Its comment or fingerprint. See: paas keys.")
    ],
    json: Json = False,
) -> None:
    """Remove an SSH key; it is worthless at once.

    Example: paas keys:remove alice@laptop
    """
    client = panel()
    with Progress(f"Removing {key} SSH key"):
        gone = [_remove(client, one) for one in _named(client, key)]
    if json:
        show_json(gone)


def _named(client: Panel, name: str) -> list[dict[str, Any]]:
    mine = client.list("account", "keys")
    found = [one for one in mine if name in (one["comment"], one["fingerprint"], one["id"])]
    if not found:
        raise CliError(f"You have no SSH key {name}.", "See yours: paas keys")
    return found


def _remove(client: Panel, one: dict[str, Any]) -> dict[str, Any]:
    gone: dict[str, Any] = client.delete("account", "keys", one["id"])
    return gone


@commands.command("keys:clear")
def clear(json: Json = False) -> None:
    """Remove all your SSH keys.

    Example: paas keys:clear
    """
    client = panel()
    with Progress("Removing all SSH keys"):
        gone = [_remove(client, one) for one in client.list("account", "keys")]
    if json:
        show_json(gone)
