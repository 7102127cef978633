"""Builds: list, show, read the log of, cancel."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli import follow
from paas.cli.console import (
    Progress,
    note,
    say,
    show_facts,
    show_json,
    show_size,
    show_table,
    show_time,
    write,
)
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

Key = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="The build, or how its ID begins. Default: the newest."),
]
_VERIFY_SECONDS = 300.0  # the panel gives up earlier
_SHORT = 8  # characters of an ID that a person reads


@commands.command("builds")
def list_builds(
    app: App = None,
    num: Annotated[int, typer.Option("--num", "-n", min=1, max=1000, help="How many.")] = 15,
    json: Json = False,
) -> None:
    """List builds, the newest first.

    Example: paas builds -n 5
    """
    client, name = panel_and_app(app)
    found = client.newest("apps", name, "builds", by="created_at", count=num)
    if json:
        return show_json(found)
    if not found:
        return note(f"{name} has no builds. The first push makes one: git push paas main")
    say(f"=== {name} Builds\n")
    return show_table([_row(one) for one in found])


def _row(build: dict[str, Any]) -> list[object]:
    source, version = build.get("source_blob") or {}, build.get("release_version")
    return [
        build["id"][:_SHORT],
        build.get("state") or build["status"],
        f"v{version}" if version else "-",
        (source.get("version") or "")[:7],
        (source.get("version_description") or "").partition("\n")[0][:50],
        show_time(build.get("created_at")),
    ]


@commands.command("builds:info")
def info(key: Key = None, app: App = None, json: Json = False) -> None:
    """Show a build: its plan, its phases with their times, its artifact.

    Example: paas builds:info
    """
    client, name = panel_and_app(app)
    build = client.get("apps", name, "builds", key or "latest")
    if json:
        return show_json(build)
    say(f"=== Build {build['id']}")
    show_facts(_facts(build))
    _show_plan(build.get("plan") or {})
    _show_phases(build.get("phases") or [])
    _show_derivations((build.get("artifact") or {}).get("steps") or [])
    return None


def _facts(build: dict[str, Any]) -> dict[str, object]:
    source, failure = build.get("source_blob") or {}, build.get("failure") or {}
    artifact, version = build.get("artifact") or {}, build.get("release_version")
    facts = {
        "Status": build.get("state") or build["status"],
        "Release": f"v{version}" if version else None,
        "Commit": source.get("version"),
        "Message": (source.get("version_description") or "").partition("\n")[0],
        "By": (build.get("user") or {}).get("email"),
        "Started": show_time(build.get("created_at")),
        "Artifact": " ".join(str(artifact[key]) for key in ("kind", "digest") if artifact.get(key)),
        "Store path": artifact.get("path"),
        "Image": artifact.get("image"),
        "Failure": failure.get("message"),
        "Next step": failure.get("hint"),
    }
    return {name: value for name, value in facts.items() if value}


def _show_plan(plan: dict[str, Any]) -> None:
    if not plan:
        return
    say("\n=== Plan")
    pins = [f"{pin['tool']} {pin['spec'] or 'newest'}" for pin in plan.get("pins") or []]
    show_facts(
        {
            "Language": plan.get("name") or "-",
            "Versions": ", ".join(pins) or "-",
            "Start from": plan.get("processes_from") or "-",
        }
    )
    processes = plan.get("processes") or {}
    if processes:
        say("\n=== Processes")
        show_facts(processes)


def _show_phases(phases: list[dict[str, Any]]) -> None:
    if phases:
        say("\n=== Phases")
        show_table([_phase(one) for one in phases])


def _show_derivations(steps: list[list[Any]]) -> None:
    if steps:
        say("\n=== Derivations")
        show_table([[name, how, f"{seconds:.2f} s"] for name, how, seconds in steps])


def _phase(phase: dict[str, Any]) -> list[object]:
    return [phase["name"], f"{phase['seconds']:.2f} s"]


@commands.command("builds:output")
def output(key: Key = None, app: App = None) -> None:
    """Print a build's log; follows it while it goes on.

    Example: paas builds:output 1a2b3c4d
    """
    client, name = panel_and_app(app)
    build = client.get("apps", name, "builds", key or "latest")
    follow.output(client, build["output_stream_url"], write)


@commands.command("builds:diff")
def diff(
    before: Annotated[str, typer.Argument(metavar="FROM", help="A release (v7) or a build's ID.")],
    after: Annotated[str, typer.Argument(metavar="TO", help="Another, or latest.")],
    app: App = None,
    json: Json = False,
) -> None:
    """Show what differs between two builds of Nix, package by package.

    Example: paas builds:diff v7 v9
    """
    client, name = panel_and_app(app)
    found = client.get("apps", name, "builds", before, "difference", after)
    if json:
        return show_json(found)
    if found["changes"]:
        show_table([_change(one) for one in found["changes"]])
    else:
        say("Nothing differs.")
    sizes = f"{show_size(found['size_before'])} → {show_size(found['size_after'])}"
    return say(f"\nAll: {sizes}, {show_size(found['new'])} new")


def _change(one: dict[str, Any]) -> list[object]:
    """A package, from which version to which, and by how much it has grown."""
    before, after = (_versions(one[side]) for side in ("before", "after"))
    words = "rebuilt" if before == after else f"{before} → {after}"
    grown = one["size_after"] - one["size_before"]
    return [one["name"], words, f"{'-' if grown < 0 else '+'}{show_size(abs(grown))}"]


def _versions(versions: list[str]) -> str:
    """∅ where the package is not there, ε for one without a version, as Nix prints them."""
    return ", ".join(version or "ε" for version in versions) or "∅"


@commands.command("builds:verify")
def verify(key: Key = None, app: App = None, json: Json = False) -> None:
    """Build what Nix has built again, and compare. Exit status 1 if anything differs.

    Example: paas builds:verify v7
    """
    client, name = panel_and_app(app)
    path = ("apps", name, "builds", key or "latest", "actions", "verify")
    with Progress(f"Building {key or '(the newest)'} of {name} again") as progress:
        found = client.request("POST", *path, timeout=_VERIFY_SECONDS).body
        different = sum(not one["same"] for one in found)
        progress.done(
            f"done, {different} of {len(found)} differ" if different else "done, the same"
        )
    if json:
        show_json(found)
    else:
        show_table([_rebuilt(one) for one in found])
    if different:
        raise typer.Exit(1)


def _rebuilt(one: dict[str, Any]) -> list[object]:
    return [one["name"], "same" if one["same"] else "differs", f"{one['seconds']:.2f} s"]


@commands.command("builds:cancel")
def cancel(key: Key = None, app: App = None, json: Json = False) -> None:
    """Cancel a build that is going on.

    Example: paas builds:cancel
    """
    client, name = panel_and_app(app)
    with Progress(f"Cancelling build {key or '(the newest)'} of {name}") as progress:
        build = client.delete("apps", name, "builds", key or "latest")
        progress.done(f"done, {build.get('state') or build['status']}")
    if json:
        show_json(build)
