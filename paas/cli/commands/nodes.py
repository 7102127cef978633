"""What nodes need of this panel, for its admins: tokens, and the cache of builds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli.console import (
    Progress,
    note,
    say,
    show_facts,
    show_json,
    show_size,
    show_table,
    show_time,
)
from paas.cli.options import Json, new_group, panel

commands = new_group()

Node = Annotated[str, typer.Argument(metavar="NAME", help="The node's name.")]


@commands.command("nodes:tokens")
def list_tokens(json: Json = False) -> None:
    """List the tokens of nodes; the tokens themselves are not shown again.

    Example: paas nodes:tokens
    """
    found = panel().list("nodes", "tokens")
    if json:
        return show_json(found)
    if not found:
        return note("No node has a token. Make one: paas nodes:tokens:create NAME")
    return show_table([_row(one) for one in found])


def _row(one: dict[str, Any]) -> list[object]:
    used = one["last_used_at"]
    return [one["name"], f"{one['hint']}…", f"used {show_time(used)}" if used else "never used"]


@commands.command("nodes:tokens:create")
def create(
    name: Node,
    short: Annotated[bool, typer.Option("--short", "-S", help="Only print the token.")] = False,
    json: Json = False,
) -> None:
    """Make a token with which a node gets builds and images; it is shown this once.

    Example: paas nodes:tokens:create node-1
    """
    client = panel()
    with Progress(f"Creating a token for {name}"):
        made = client.post("nodes", "tokens", body={"name": name})
    if json:
        return show_json(made)
    if short:
        return say(made["token"])
    say(f"Token: {made['token']}")
    host = client.target.parts.hostname
    return say(f"For its netrc: machine {host} login {name} password {made['token']}")


@commands.command("nodes:tokens:revoke")
def revoke(name: Node, json: Json = False) -> None:
    """Make a node's token worthless at once.

    Example: paas nodes:tokens:revoke node-1
    """
    with Progress(f"Revoking the token of {name}"):
        gone = panel().delete("nodes", "tokens", name)
    if json:
        show_json(gone)


@commands.command("cache:info")
def cache_info(json: Json = False) -> None:
    """Show the cache of builds: its address, its key, and what it holds.

    Example: paas cache:info
    """
    found = panel().get("nodes", "cache")
    if json:
        return show_json(found)
    used = found["paths"] is not None
    facts = {
        "Address": found["url"],
        "Public key": found["public_key"],
        "Paths": found["paths"] if used else "(another's cache: counted and cleared up there)",
        "Size": show_size(found["size"]) if used else None,
        "Kept builds": found["kept_builds"],
        "Store": found["store"],
        "Free": show_size(found["free"]),
    }
    return show_facts({name: value for name, value in facts.items() if value is not None})


@commands.command("cache:gc")
def cache_gc(json: Json = False) -> None:
    """Delete from the cache and the store what no kept release needs.

    A machine's own /nix/store is collected as by nix-collect-garbage: what others
    have left there without a root goes too.

    Example: paas cache:gc
    """
    with Progress("Collecting") as progress:
        gone = panel().post("nodes", "cache", "actions", "collect", body={})
        progress.done(f"done, {_gone(gone)}")
    if gone["cache_paths"] is None:
        note("The cache (PAAS_NIX_CACHE) is another's: what is in it, its owner clears up.")
    if json:
        show_json(gone)


def _gone(found: dict[str, Any]) -> str:
    store = f"{found['store_paths']} paths from the store"
    if found["cache_paths"] is None:
        return store
    return (
        f"{found['cache_paths']} paths from the cache ({show_size(found['cache_size'])}), {store}"
    )
