"""Cron tasks: list, run one now, suspend, resume."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from paas.cli.client import Panel
from paas.cli.console import Progress, note, say, show_json, show_table, show_time
from paas.cli.errors import CliError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

_POLL = 0.3  # seconds
_UNDER_WAY = ("pending", "running")

Task = Annotated[str, typer.Argument(metavar="ID", help="The task's id: see paas cron.")]


@commands.command("cron")
def list_cron(app: App = None, json: Json = False) -> None:
    """List the cron tasks of app.json, when they are due and how they ended.

    Example: paas cron -a hello
    """
    client, name = panel_and_app(app)
    tasks = client.list("apps", name, "cron")
    if json:
        return show_json(tasks)
    if not tasks:
        return note(f'{name} has no cron tasks. app.json declares them under "cron".')
    return show_table(
        [("ID", "Schedule", "Next (UTC)", "Last", "Command"), *(map(_row, tasks))],
    )


def _row(task: dict[str, Any]) -> list[object]:
    following = (task["next_run_at"] or "")[:16].replace("T", " ")
    last = task["last_run"]
    return [
        task["id"],
        task["schedule"],
        task["paused"] or following,
        _outcome(last) if last else "never",
        task["command"],
    ]


def _outcome(run: dict[str, Any]) -> str:
    when = show_time(run["started_at"] or run["created_at"])
    status = "" if run["exit_status"] in (None, 0) else f" ({run['exit_status']})"
    return f"{run['state']}{status} {when}"


@commands.command("cron:runs")
def list_runs(task: Task, app: App = None, json: Json = False) -> None:
    """List the last runs of a task.

    Example: paas cron:runs 1a2b3c4d
    """
    client, name = panel_and_app(app)
    runs = client.list("apps", name, "cron", task, "runs")
    if json:
        return show_json(runs)
    if not runs:
        return note(f"{task} has not run yet.")
    return show_table([[run["process"] or "-", _outcome(run), run["reason"]] for run in runs])


@commands.command("cron:run")
def run(
    task: Task,
    app: App = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
    time_to_live: Annotated[
        int | None,
        typer.Option("--ttl-seconds", min=1, help="Seconds until it is stopped. Default: a day."),
    ] = None,
    json: Json = False,
) -> None:
    """Run a task now; exits as the task does.

    Example: paas cron:run 1a2b3c4d
    """
    client, name = panel_and_app(app)
    body = {} if time_to_live is None else {"time_to_live": time_to_live}
    with Progress(f"Running cron task {task} on ⬢ {name}") as progress:
        made = client.post("apps", name, "cron", task, "runs", body=body)
        if not detach:
            made = _wait(client, name, made)
        progress.done(made["process"] or "queued")
    if json:
        show_json(made)
    elif made["process"]:
        say(f"Run paas logs --app {name} --ps {made['process']} to view the output.")
    if not detach and made["state"] != "succeeded":
        _fail(made)


def _wait(client: Panel, app: str, run: dict[str, Any]) -> dict[str, Any]:
    while run["state"] in _UNDER_WAY:
        time.sleep(_POLL)
        run = client.get("apps", app, "cron", run["task"], "runs", str(run["id"]))
    return run


def _fail(run: dict[str, Any]) -> None:
    what = f"{run['process']} failed" if run["state"] == "failed" else "It was not run"
    raise CliError(f"{what}: {run['reason']}.", exit_code=run["exit_status"] or 1)


@commands.command("cron:suspend")
def suspend(task: Task, app: App = None, json: Json = False) -> None:
    """Keep a task from being run by its schedule.

    Example: paas cron:suspend 1a2b3c4d
    """
    _set(app, task, True, json)


@commands.command("cron:resume")
def resume(task: Task, app: App = None, json: Json = False) -> None:
    """Let a task be run by its schedule again.

    Example: paas cron:resume 1a2b3c4d
    """
    _set(app, task, False, json)


def _set(app: str | None, task: str, suspended: bool, json: bool) -> None:
    client, name = panel_and_app(app)
    doing = "Suspending" if suspended else "Resuming"
    with Progress(f"{doing} cron task {task} on ⬢ {name}") as progress:
        changed = client.patch("apps", name, "cron", task, body={"suspended": suspended})
        progress.done()
    if json:
        show_json(changed)
