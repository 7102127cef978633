"""app.json: what an app says of itself beyond its code.

Heroku's app.json schema (`env`, `formation`, `scripts.postdeploy`) with
Dokku's additions (`healthchecks`, `cron`, `env.*.sync`) and Dokku's rules: an `env`
entry may be a plain text, and is required unless it says otherwise.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from buildpacks import cron
from buildpacks.document import Table, read_json
from buildpacks.plan import CronTask, EnvVar, FormationEntry, HealthCheck, Manifest
from buildpacks.procfile import check_command, check_type
from buildpacks.tree import SourceTree

APP_JSON = "app.json"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_KINDS = ("path", "command", "listening", "uptime")
_CHECK_TYPES = ("startup", "readiness", "liveness")
_CHECK_IGNORED = ("httpHeaders", "port", "scheme", "warn", "onFailure")
_IGNORED = ("addons", "buildpacks", "environments")


def read_app_json(tree: SourceTree) -> tuple[Manifest, tuple[str, ...]]:
    """What app.json says, and warnings about what of it has no effect here.

    Raises:
        PlanError: it is no JSON, or a value has a wrong type.
    """
    document = read_json(tree, APP_JSON)
    if document is None:
        return Manifest(), ()
    ignored = [key for key in _IGNORED if document.data.get(key)]
    checks = document.table("healthchecks")
    manifest = Manifest(
        env=_env(document),
        formation=_formation(document),
        healthchecks={} if checks is None else _checks(checks, ignored),
        postdeploy=_postdeploy(document, ignored),
        cron=_cron(document),
    )
    return manifest, tuple(f"{key} in {APP_JSON} has no effect here" for key in ignored)


def _env(document: Table) -> tuple[EnvVar, ...]:
    table = document.table("env")
    return () if table is None else tuple(_variable(table, name) for name in table)


def _variable(table: Table, name: str) -> EnvVar:
    if not _NAME.fullmatch(name):
        raise table.wrong(
            name,
            "is not the name of a variable",
            "A name has letters, digits and `_`, and does not begin with a digit.",
        )
    if isinstance(table.data[name], str):
        return EnvVar(name, table.text(name))
    entry = table.table(name)
    if entry is None:
        raise table.wrong(name, "must be a text or an object", "It is null.")
    generator = entry.text("generator")
    if generator not in {None, "secret"}:
        raise entry.wrong("generator", 'must be "secret"', "No other generator exists.")
    required = entry.flag("required")
    return EnvVar(
        name,
        value=entry.text("value"),
        required=True if required is None else required,
        generator=generator,
        description=entry.text("description") or "",
        sync=entry.flag("sync") or False,
    )


def _formation(document: Table) -> dict[str, FormationEntry]:
    table = document.table("formation")
    formation = {}
    for name in table or ():
        check_type(name, APP_JSON, "formation")
        assert table is not None
        entry = table.table(name) or Table({}, APP_JSON, table.where(name))
        formation[name] = FormationEntry(entry.whole("quantity"), entry.text("size"))
    return formation


def _checks(table: Table, ignored: list[str]) -> dict[str, tuple[HealthCheck, ...]]:
    healthchecks = {}
    for name in table:
        check_type(name, APP_JSON, "healthchecks")
        entries = table.tables(name) or []
        healthchecks[name] = tuple(_check(entry) for entry in entries)
        ignored += [entry.where(key) for entry in entries for key in _CHECK_IGNORED if key in entry]
    return healthchecks


def _check(entry: Table) -> HealthCheck:
    kinds = [kind for kind in _KINDS if entry.data.get(kind) not in (None, False, "", [], 0)]
    if len(kinds) > 1:
        raise entry.wrong(
            kinds[1],
            f"cannot stand beside {kinds[0]}",
            "One check looks at one thing.",
            f"Make two checks of it in {APP_JSON}.",
        )
    check_type_name = entry.text("type") or "startup"
    if check_type_name not in _CHECK_TYPES:
        raise entry.wrong(
            "type", f"must be one of {', '.join(_CHECK_TYPES)}", "No other type exists."
        )
    return HealthCheck(
        type=check_type_name,
        path=_path(entry) if kinds in (["path"], []) else None,
        command=entry.texts("command") if kinds == ["command"] else None,
        listening=entry.flag("listening") or False,
        uptime=entry.number("uptime") if kinds == ["uptime"] else None,
        content=entry.text("content"),
        attempts=entry.whole("attempts", least=1) or HealthCheck.attempts,
        wait=_or(entry.number("wait"), HealthCheck.wait),
        timeout=_or(entry.number("timeout"), HealthCheck.timeout),
        initial_delay=_or(entry.number("initialDelay"), HealthCheck.initial_delay),
    )


def _path(entry: Table) -> str:
    path = entry.text("path") or "/"
    if not path.startswith("/") or not path.isprintable() or " " in path:
        raise entry.wrong("path", "must begin with / and hold no spaces", "It is part of a URL.")
    return path


def _postdeploy(document: Table, ignored: list[str]) -> str | None:
    scripts = document.table("scripts")
    if scripts is None:
        return None
    if scripts.data.get("dokku"):
        ignored.append("scripts.dokku")
    command = scripts.text("postdeploy")
    return check_command(command, APP_JSON, "scripts.postdeploy") if command else None


def _cron(document: Table) -> tuple[CronTask, ...]:
    entries = document.tables("cron") or []
    if len(entries) > cron.MAX_TASKS:
        raise document.wrong("cron", f"may have {cron.MAX_TASKS} tasks", f"It has {len(entries)}.")
    tasks = [_cron_task(entry) for entry in entries]
    for number, task in enumerate(tasks):
        if (task.command, task.schedule) in [(t.command, t.schedule) for t in tasks[:number]]:
            raise entries[number].wrong(
                "command",
                "stands there twice with the same schedule",
                "Tasks are told apart by their command and schedule.",
            )
    return tuple(tasks)


def _cron_task(entry: Table) -> CronTask:
    command = check_command(entry.text("command") or "", APP_JSON, entry.where("command"))
    schedule = (entry.text("schedule") or "").strip()
    policy = entry.text("concurrency_policy") or cron.POLICIES[0]
    try:
        cron.next_time(schedule, datetime.now(UTC))
    except cron.BadTask as error:
        raise entry.wrong("schedule", "is no schedule", _sentence(error)) from None
    try:
        cron.check_command(command)
    except cron.BadTask as error:
        raise entry.wrong(
            "command",
            "needs a shell",
            _sentence(error),
            f"Put it into a shell of its own in {APP_JSON}: sh -c '...'",
        ) from None
    if policy not in cron.POLICIES:
        raise entry.wrong(
            "concurrency_policy", f"must be one of {', '.join(cron.POLICIES)}", "No other exists."
        )
    return CronTask(command, schedule, policy, entry.flag("maintenance") or False)


def _sentence(error: cron.BadTask) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
