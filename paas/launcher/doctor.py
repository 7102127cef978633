"""`paas doctor`: what this machine lacks, and how to get it."""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from apps.builds.builders import languages
from apps.builds.builders.toolchains import installed_pythons
from buildpacks.ranges import shown_version
from paas.instance import Instance, InstanceError, current
from paas.launcher import checks, health, tools
from paas.launcher.errors import LaunchError
from paas.launcher.lock import as_started, holder_of
from paas.sandbox import probe


class Level(StrEnum):
    """How much a finding matters; only MISSING makes doctor exit 1."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what there is, and what to do if that is not enough."""

    name: str
    level: Level
    text: str
    fix: str = ""


def main(json: bool = False) -> int:
    """Look at the machine and the instance of the environment, and print what was found.

    Args:
        json: print one JSON list of findings instead of lines for people.

    Returns:
        1 if something that is needed is missing, else 0.
    """
    try:
        findings = list(examine(current()))
    except InstanceError as error:
        findings = [Finding("instance", Level.MISSING, str(error))]
    if json:
        print(json_format.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            print(_line(finding))
    return int(any(finding.level is Level.MISSING for finding in findings))


def examine(instance: Instance) -> Iterator[Finding]:
    """All findings, the machine's before the instance's."""
    running = holder_of(instance)
    if running is not None:
        instance = as_started(instance, running)
    yield from _isolation()
    yield _checked("git", checks.check_git)
    yield _checked("disk", lambda: checks.check_disk(instance))
    if running is None:
        yield _checked("port", lambda: checks.check_port(instance))
        yield _checked("ssh port", lambda: checks.check_ssh_port(instance))
        yield _rendezvous(instance)
    yield from _programs()
    yield _pythons()
    yield from _languages()
    yield from _instance(instance, running)


# --- the machine ------------------------------------------------------------
def _isolation() -> Iterator[Finding]:
    found = probe()
    if not found.works:
        yield Finding("isolation", Level.MISSING, found.reason, found.fix)
    else:
        how = {"root": "a user of its own for each app", "user": "user namespaces"}[found.kind]
        yield Finding("isolation", Level.OK, f"bubblewrap with {how}")
        yield from _limits(found.cgroup, found.reason, found.fix)


def _limits(cgroup: int, reason: str, fix: str) -> Iterator[Finding]:
    if cgroup:
        yield Finding("limits", Level.OK, f"control groups, version {cgroup}")
    else:
        yield Finding("limits", Level.WARNING, reason, fix)


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, Level.OK, check())
    except LaunchError as error:
        return Finding(name, Level.MISSING, str(error))


def _rendezvous(instance: Instance) -> Finding:
    if taken := checks.rendezvous_taken(instance):
        return Finding("run", Level.WARNING, taken)
    return Finding("run", Level.OK, f"port {instance.rendezvous_port} for `paas run`")


def _programs() -> Iterator[Finding]:
    if url := os.environ.get("PAAS_REDIS_URL"):
        yield Finding("redis", Level.OK, f"PAAS_REDIS_URL ({url.rpartition('@')[2]})")
    else:
        yield _checked("redis", lambda: str(tools.redis_server()))
    for program in ("caddy", "uv"):
        yield _program(program, tools.find(program))
    yield _program("bwrap", probe().bwrap)


def _program(name: str, path: Path | None) -> Finding:
    if path is None:
        return Finding(name, Level.MISSING, "not found", "Run `make up`, which installs it.")
    return Finding(name, Level.OK, str(path))


def _pythons() -> Finding:
    found = installed_pythons()
    if not found:
        return Finding(
            "python for apps",
            Level.WARNING,
            "none found",
            "Install one for Python apps (Debian: apt install python3).",
        )
    versions = ", ".join(f"{one.version} ({one.path})" for one in found)
    return Finding("python for apps", Level.OK, versions)


def _languages() -> Iterator[Finding]:
    """The other languages are a choice: none of them is missed."""
    for tool, language in languages.LANGUAGES.items():
        found = languages.installed(tool)
        versions = ", ".join(f"{shown_version(one.version)} ({one.path})" for one in found)
        none = f"none; add {language.shown} with {language.advice}"
        yield Finding(f"{tool} for apps", Level.OK, versions or none)


# --- the instance -----------------------------------------------------------
def _instance(instance: Instance, running: int | None) -> Iterator[Finding]:
    if running is None:
        yield Finding("instance", Level.OK, f"{instance.home} does not run", "Start it: `make up`.")
        return
    yield Finding("instance", Level.OK, f"{instance.origin} (process {running})")
    status, body = health.healthz(instance)
    answers = _parts(body)
    if status == 0 or not answers:
        yield Finding("panel", Level.MISSING, f"does not answer: {body[:200]}", _look(instance))
    if problem := health.attachable(instance):
        fix = "See who has it, or set PAAS_RENDEZVOUS_PORT. logs/panel/gateway.log says more."
        yield Finding("run", Level.WARNING, problem, fix)
    for part, answer in answers.items():
        level = Level.OK if answer == "ok" else Level.MISSING
        yield Finding(part, level, answer, "" if answer == "ok" else _look(instance))


def _parts(body: str) -> dict[str, str]:
    try:
        found = json_format.loads(body)["parts"]
        return {str(part): str(answer) for part, answer in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _look(instance: Instance) -> str:
    return f"Look into {instance.logs / 'panel'}; `make up` again restarts everything."


def _line(finding: Finding) -> str:
    mark = {Level.OK: "ok  ", Level.WARNING: "!   ", Level.MISSING: "MISS"}[finding.level]
    fix = f"\n      {'':16}  {finding.fix}" if finding.fix else ""
    return f"{mark}  {finding.name:16}  {finding.text}{fix}"
