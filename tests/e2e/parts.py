"""Finding and killing the parts of an instance, as a fault does."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg

from paas.nix.roots import Roots
from paas.sandbox import builder_uids, cgroups
from tests.e2e.world import World

PARTS: dict[str, Callable[[list[str]], bool]] = {
    "worker": lambda argv: "celery" in " ".join(argv) and "worker" in argv,
    "web": lambda argv: "gunicorn" in " ".join(argv) and "paas.asgi:application" in argv,
    "gateway": lambda argv: argv[-2:] == ["-m", "paas.gateway"],
    "observer": lambda argv: argv[-2:] == ["-m", "paas.observer"],
    "redis": lambda argv: "redis-server" in argv[0] or "valkey-server" in argv[0],
    "caddy": lambda argv: Path(argv[0]).name == "caddy" and "run" in argv,
    "panel": lambda argv: _is_supervisord(argv, "panel"),
    "apps": lambda argv: _is_supervisord(argv, "apps"),
}


def processes(world: World) -> list[psutil.Process]:
    """All descendants of `make up`, and what else lives in this PAAS_HOME's folders."""
    assert world.launcher is not None
    return psutil.Process(world.launcher.pid).children(recursive=True)


def find(world: World, part: str) -> list[int]:
    """Pids of a part (gunicorn has several)."""
    found = []
    for process in processes(world):
        try:
            argv = process.cmdline()
        except psutil.Error:
            continue
        if argv and PARTS[part](argv):
            found.append(process.pid)
    return found


def kill(world: World, part: str) -> None:
    """SIGKILL to all processes of a part."""
    pids = find(world, part)
    assert pids, f"{part} is not running"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


class Faults:
    """Orders for the fault points (see `paas.faults`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def order(self, point: str, action: str) -> None:
        (self.folder / point).write_text(action)

    def wait_hit(self, point: str, seconds: float = 40) -> Path:
        """Until the point has been reached."""
        hit = self.folder / f"{point}.hit"
        deadline = time.monotonic() + seconds
        while not hit.exists():
            if time.monotonic() > deadline:
                raise AssertionError(f"{point} was not reached in {seconds} s")
            time.sleep(0.02)
        return hit

    def clear(self) -> None:
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)


def rows(world: World, query: str) -> list[tuple[object, ...]]:
    """Straight from the database, beside the panel."""
    if world.database:
        with psycopg.connect(world.database) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]
    with sqlite3.connect(f"file:{world.home}/db.sqlite3?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def wait_settled(world: World, seconds: float = 45) -> None:
    """Until no build and no release is unfinished."""
    deadline = time.monotonic() + seconds
    query = (
        "SELECT 'build', id, state FROM builds_build "
        "WHERE state NOT IN ('succeeded','failed','cancelled') UNION ALL "
        "SELECT 'release', id, state FROM releases_release "
        "WHERE state NOT IN ('succeeded','failed')"
    )
    while left := rows(world, query):
        if time.monotonic() > deadline:
            raise AssertionError(f"still unfinished: {left}")
        time.sleep(0.2)


def assert_nothing_left(world: World, seconds: float = 45) -> None:
    """No folder, archive or sandbox remains that no row owns; drains may take a moment."""
    deadline = time.monotonic() + seconds
    while left := _left(world):
        if time.monotonic() > deadline:
            raise AssertionError(f"left over: {left}")
        time.sleep(0.2)


def _left(world: World) -> list[str]:
    found = [
        str(path) for folder in ("builds", "sources") for path in (world.home / folder).glob("*")
    ]
    dynos = [
        dyno["name"]
        for (app,) in rows(world, "SELECT name FROM catalog_app")
        for dyno in world.api("GET", f"/apps/{app}/dynos")[1]
    ]
    wanted = sum(int(str(row[0])) for row in rows(world, "SELECT quantity FROM formation_process"))
    if len(dynos) != wanted:
        found.append(f"processes {dynos}")
    boxes = [p for p in processes(world) if _is_sandbox(p)]
    if len(boxes) != wanted:
        found.append(f"{len(boxes)} sandboxes for {wanted} processes")
    return found + _left_of_nix(world)


def _left_of_nix(world: World) -> list[str]:
    """Nix commands and builders that go on, control groups, and roots of builds that failed."""
    found = [f"{process.name()} ({process.pid})" for process in nix_processes(world)]
    builds = rows(world, "SELECT id, artifact FROM builds_build")
    made = {str(uuid.UUID(str(build))) for build, artifact in builds if artifact is not None}
    found += [f"root {name}" for name in Roots(world.home / "nix" / "roots").all().keys() - made]
    for build, _ in builds:
        group = cgroups.find(f"nix-{uuid.UUID(str(build))}")
        found += [f"control group of {build}"] if group is not None else []
    return found


def nix_processes(world: World) -> list[psutil.Process]:
    """Nix's commands of this instance, and its builders: whosever children they are by now."""
    conf = str(world.home / "nix" / "conf")
    ids = [str(uuid.UUID(str(build))) for (build,) in rows(world, "SELECT id FROM builds_build")]
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get("NIX_CONF_DIR") == conf or _builds(process, world, ids):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _builds(process: psutil.Process, world: World, ids: list[str]) -> bool:
    """A builder of Nix's: by its user, and by its group, as other instances may have that user."""
    if process.uids().real not in builder_uids(world.home):
        return False
    groups = Path(f"/proc/{process.pid}/cgroup").read_text()
    return cgroups.hierarchy() is None or any(one in groups for one in ids)


def _is_sandbox(process: psutil.Process) -> bool:
    """The outer bubblewrap; its child in the new PID namespace is one, too."""
    try:
        parent = process.parent()
        return process.name() == "bwrap" and (parent is None or parent.name() != "bwrap")
    except psutil.Error:
        return False


def _is_supervisord(argv: list[str], tree: str) -> bool:
    text = " ".join(argv)
    return "supervisord" in text and tree in text
