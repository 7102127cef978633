"""Processes: show, scale, restart, stop."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import typer

from paas.cli.client import Panel
from paas.cli.console import Progress, note, say, show_json, show_time
from paas.cli.errors import CliError, UsageError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

_SCALE = re.compile(
    r"\A([\w-]+?)(?:=(\d+)|([+-]\d+))?(?::([\w-]+))?\Z", re.ASCII
)  # heroku/cli's, stricter
_PATIENCE = 60.0  # seconds until the processes must be as wanted
_POLL = 0.2  # seconds


@commands.command("ps")
def ps(app: App = None, json: Json = False) -> None:
    """List an app's processes.

    Example: paas ps -a hello
    """
    client, name = panel_and_app(app)
    dynos = client.list("apps", name, "dynos")
    if json:
        return show_json(dynos)
    if not dynos:
        return note(f"{name} has no processes. Push it, or: paas ps:scale web=1 -a {name}")
    for kind in dict.fromkeys(str(one["type"]) for one in dynos):
        _show_type(kind, [one for one in dynos if one["type"] == kind])
    return None


def _show_type(kind: str, dynos: list[dict[str, Any]]) -> None:
    size, command = dynos[0].get("size"), dynos[0].get("command") or "-"
    say(f"=== {kind} ({size}): {command} ({len(dynos)})\n")
    for one in dynos:
        reason = f": {one['reason']}" if one.get("reason") else ""
        restarts = f", {one['restarts']} restarts" if one.get("restarts") else ""
        since = show_time(one.get("updated_at"))
        say(f"{one['name']}: {one['state']} {since}{restarts}{reason}")
    say()


@commands.command("ps:scale")
def scale(
    updates: Annotated[
        list[str] | None,
        typer.Argument(metavar="TYPE=N[:SIZE]|TYPE+N|TYPE-N", help="What to change."),
    ] = None,
    app: App = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for them.")] = False,
    json: Json = False,
) -> None:
    """Change how many processes run and how large; without arguments, show it.

    Example: paas ps:scale web=2 worker+1
    """
    client, name = panel_and_app(app)
    if not updates:
        return _show_formation(client.list("apps", name, "formation"), name, json)
    body = {"updates": [_update(one) for one in updates]}
    with Progress("Scaling dynos") as progress:
        rows = client.patch("apps", name, "formation", body=body)
        touched = {update["type"] for update in body["updates"]}
        changed = [row for row in rows if row["type"] in touched]
        waited = no_wait or _wait(client, name, changed)
        now = ", ".join(f"{row['type']} at {row['quantity']}:{row['size']}" for row in changed)
        progress.done(f"done, now running {now}" if waited else f"done, will run {now}")
    if json:
        show_json(rows)
    return None


def _show_formation(rows: list[dict[str, Any]], app: str, json: bool) -> None:
    if json:
        return show_json(rows)
    if not rows:
        return note(f"{app} has no process types yet. The first push makes them.")
    return say(" ".join(f"{row['type']}={row['quantity']}:{row['size']}" for row in rows))


def _update(text: str) -> dict[str, Any]:
    match = _SCALE.match(text)
    if match is None or not any(match.groups()[1:]):
        raise UsageError(
            f"{text} does not say how to scale.",
            "Examples: web=2  worker+1  worker-1  web=1:standard-2x",
        )
    kind, exact, relative, size = match.groups()
    update: dict[str, Any] = {"type": kind}
    if exact or relative:
        update["quantity"] = int(exact) if exact else relative
    if size:
        update["size"] = size
    return update


def _wait(client: Panel, app: str, rows: list[dict[str, Any]]) -> bool:
    """Wait until as many run as wanted; False when there is no release that could run.

    Raises:
        CliError: they do not in time.
    """
    end = time.monotonic() + _PATIENCE
    lacking = _lacking(client, app, rows)
    if lacking and not any(one.get("current") for one in client.list("apps", app, "releases")):
        return False
    while lacking:
        if time.monotonic() > end:
            raise CliError(
                f"Scaled, but not as wanted after {_PATIENCE:.0f} s: {', '.join(lacking)}.",
                f"See why: paas ps -a {app}; paas logs -a {app}",
            )
        time.sleep(_POLL)
        lacking = _lacking(client, app, rows)
    return True


def _lacking(client: Panel, app: str, rows: list[dict[str, Any]]) -> list[str]:
    """What differs from `rows`, type by type: `web: 1 of 2 up`.

    Raises:
        CliError: one of them has crashed; it is tried again later and later.
    """
    dynos = client.list("apps", app, "dynos")
    differences = []
    for row in rows:
        ours = [one for one in dynos if one["type"] == row["type"]]
        for crashed in (one for one in ours if one["state"] == "crashed"):
            raise CliError(
                f"Scaled, but {crashed['name']} crashed: {crashed['reason'] or 'see the logs'}.",
                f"See why: paas logs -a {app} --ps {crashed['name']}. It is tried again, later "
                f"and later; to stop that: paas ps:scale {row['type']}=0 -a {app}",
            )
        up, wanted = [one["state"] for one in ours].count("up"), row["quantity"]
        if up != wanted or len(ours) != wanted:
            differences.append(f"{row['type']}: {up} of {wanted} up")
    return differences


@commands.command("ps:autoscale")
def autoscale(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="Which processes.")],
    bounds: Annotated[
        str, typer.Argument(metavar="MIN-MAX|off", help="How many there may be, or off.")
    ],
    cpu: Annotated[
        int, typer.Option("--cpu", help="Percent of its share that each should use.")
    ] = 70,
    app: App = None,
    json: Json = False,
) -> None:
    """Let the load decide how many processes of a type run; on a cluster only.

    Example: paas ps:autoscale web 2-10 --cpu 70
    """
    client, name = panel_and_app(app)
    path = ("apps", name, "formation", type_, "autoscale")
    with Progress(f"Setting the autoscaling of {type_}") as progress:
        if bounds == "off":
            row = client.delete(*path)
        else:
            least, most = _bounds(bounds)
            row = client.put(*path, body={"minimum": least, "maximum": most, "cpu": cpu})
        progress.done()
    if json:
        show_json(row)


def _bounds(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,4})-([0-9]{1,4})", text)
    if match is None:
        raise UsageError(f"{text} is no range.", "Examples: 2-10, or off.")
    return int(match[1]), int(match[2])


@commands.command("ps:restart")
def restart(
    which: Annotated[str | None, typer.Argument(metavar="TYPE|DYNO", help="Default: all.")] = None,
    app: App = None,
    json: Json = False,
) -> None:
    """Restart all processes, those of a type, or one.

    Example: paas ps:restart web.1
    """
    client, name = panel_and_app(app)
    what = f"{which} dyno" if which and "." in which else f"{which or 'all'} dynos"
    path = ("dynos",) if which is None else ("dynos" if "." in which else "formations", which)
    with Progress(f"Restarting {what} on {name}") as progress:
        answer = client.delete("apps", name, *path)
        progress.done()
    if json:
        show_json(answer)


@commands.command("ps:stop")
def stop(
    which: Annotated[str, typer.Argument(metavar="DYNO|TYPE", help="What to stop.")],
    app: App = None,
    json: Json = False,
) -> None:
    """Stop a one-off; any other process is started afresh.

    Example: paas ps:stop run.3
    """
    client, name = panel_and_app(app)
    kind = "dynos" if "." in which else "formations"
    with Progress(f"Stopping {which} on {name}") as progress:
        answer = client.request("POST", "apps", name, kind, which, "actions", "stop").body
        progress.done()
    if json:
        show_json(answer)
