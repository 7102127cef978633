"""Releases: list, show, read the output of, roll back to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli import follow
from paas.cli.console import (
    Progress,
    hint,
    note,
    say,
    show_facts,
    show_json,
    show_table,
    show_time,
    write,
)
from paas.cli.errors import CliError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

_NEWEST = 10  # Heroku looks for the release to go back to among so many

Number = Annotated[int, typer.Option("--num", "-n", min=1, max=1000, help="How many.")]
Version = Annotated[
    str | None, typer.Argument(metavar="vN", help="The release. Default: the newest.")
]


@commands.command("releases")
def list_releases(app: App = None, num: Number = 15, json: Json = False) -> None:
    """List releases, the newest first.

    Example: paas releases -n 5
    """
    client, name = panel_and_app(app)
    found = client.newest("apps", name, "releases", by="version", count=num)
    if json:
        return show_json(found)
    if not found:
        return note(f"{name} has no releases. The first push makes one: git push paas main")
    current = [f" - Current: v{one['version']}" for one in found if one.get("current")]
    say(f"=== {name} Releases{''.join(current[:1])}\n")
    return show_table([_row(one) for one in found])


def _row(release: dict[str, Any]) -> list[object]:
    status = release["status"]
    return [
        f"v{release['version']}",
        release["description"] + ("" if status == "succeeded" else f" ({status})"),
        (release.get("user") or {}).get("email"),
        show_time(release.get("created_at")),
    ]


@commands.command("releases:preview")
def preview(version: Version = None, app: App = None, json: Json = False) -> None:
    """Show what a release would change on the cluster, without changing it.

    Example: paas releases:preview v3
    """
    client, name = panel_and_app(app)
    found = client.get("apps", name, "releases", version or "latest", "preview")
    if json:
        return show_json(found)
    for change in found["changes"]:
        say(change)
    return note(
        f"{len(found['changes'])} changes by {found['release']}; nothing was changed."
        if found["changes"]
        else f"All is as {found['release']} says."
    )


@commands.command("releases:info")
def info(version: Version = None, app: App = None, json: Json = False) -> None:
    """Show one release.

    Example: paas releases:info v3
    """
    client, name = panel_and_app(app)
    release = client.get("apps", name, "releases", version or "latest")
    if json:
        return show_json(release)
    failure = release.get("failure") or {}
    say(f"=== Release v{release['version']}")
    facts = {
        "Change": release["description"],
        "By": (release.get("user") or {}).get("email"),
        "When": show_time(release.get("created_at")),
        "Status": release["status"] + (", current" if release.get("current") else ""),
        "Commit": release.get("commit"),
        "Rollback": "possible" if release.get("eligible_for_rollback") else "not possible",
        "Failure": failure.get("message"),
        "Next step": failure.get("hint"),
    }
    return show_facts({name: value for name, value in facts.items() if value})


@commands.command("releases:output")
def output(version: Version = None, app: App = None) -> None:
    """Print a release's output; follows it while it goes on.

    Example: paas releases:output v3
    """
    client, name = panel_and_app(app)
    release = client.get("apps", name, "releases", version or "latest")
    url = release.get("output_stream_url")
    if not url:
        return note(f"v{release['version']} has no output.")
    follow.output(client, url, write)
    return None


@commands.command("rollback")
def rollback(
    version: Annotated[
        str | None,
        typer.Argument(metavar="vN", help="The release. Default: the one before the current."),
    ] = None,
    app: App = None,
    json: Json = False,
) -> None:
    """Go back to a release's code and config, as a new release.

    Example: paas rollback v3
    """
    client, name = panel_and_app(app)
    found = client.list("apps", name, "releases")
    target = client.get("apps", name, "releases", version) if version else _previous(found, name)
    undo = next((one["version"] for one in found if one.get("current")), None)
    with Progress(f"Rolling back {name} to v{target['version']}") as progress:
        made = client.post("apps", name, "releases", body={"release": str(target["id"])})
        made = follow.wait_for(client, name, made, progress)
        progress.done(f"done, v{made['version']}")
    _explain(undo)
    if json:
        show_json(made)


def _previous(releases: list[dict[str, Any]], app: str) -> dict[str, Any]:
    eligible = [one for one in releases[:_NEWEST] if one.get("eligible_for_rollback")]
    if len(eligible) < 2:
        raise CliError(
            f"{app} has no earlier release to roll back to.", f"See: paas releases -a {app}"
        )
    return eligible[1]


def _explain(undo: int | None) -> None:
    hint("Rollback affects code and config vars; it doesn't add or remove add-ons.")
    if undo is not None:
        hint(f"To undo, run: paas rollback v{undo}")
