"""Run one command of a build in the sandbox: streamed, bounded, cancellable."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from apps.builds.builders.base import BuildCancelled, BuildFailed, PhaseTiming
from apps.builds.builders.output import Lines
from buildpacks.plan import Phase
from paas import faults, sandbox
from paas.sandbox import Limits, Sandbox, SandboxError
from paas.sandbox.cgroups import Group

TIME_LIMIT = 15 * 60.0
"""Seconds that a whole build may take (Heroku's build time limit)."""
MEMORY_MB = 2048
FREE_AT_START = 512 * 1024 * 1024
"""Bytes that must be free on the disk of PAAS_HOME before a build begins."""
_FREE_AT_LEAST = 256 * 1024 * 1024  # bytes; a build that leaves less is ended
_REFUSED_FORKS = 100  # so many are no accident: shells try each again for a long while
_TICK = 0.1  # seconds between two looks at the clock, the cancel flag and the disk
_CHUNK = 65536
_SHOWN = 160  # letters of a command

LIMITS = Limits(
    memory_mb=MEMORY_MB, cpu_shares=512, processes=512, file_mb=2048, open_files=8192, nice=10
)


@dataclass(frozen=True)
class Ended:
    """How a command ended; `tail` are the last lines it printed."""

    status: int
    tail: tuple[str, ...]
    out_of_memory: bool


@dataclass
class Guard:
    """What a build's commands must not outrun: its time, its disk, its owner's patience."""

    cancel: threading.Event
    disk: Path
    seconds: float = TIME_LIMIT
    _started: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raises:
        BuildCancelled: somebody asked for it.
        BuildFailed: the time or the disk is used up.
        """
        if self.cancel.is_set():
            raise BuildCancelled
        if time.monotonic() - self._started > self.seconds:
            raise BuildFailed(
                f"The build took longer than {self.seconds / 60:.0f} minutes",
                "It was ended, so that it does not keep the machine from other builds.",
                "Find the step that hangs in the log above. Do slow work in the release phase "
                "or in a worker.",
            )
        self.check_disk(_FREE_AT_LEAST)

    def check_disk(self, wanted: int) -> None:
        """Raises BuildFailed when fewer than `wanted` bytes are free."""
        free = shutil.disk_usage(self.disk).free
        if free < wanted:
            raise disk_full(free, wanted, self.disk)


@contextmanager
def timed(name: str, guard: Guard, timings: list[PhaseTiming]) -> Iterator[None]:
    """Around a phase: whether it may begin, and, once it is done, how long it took."""
    guard.check()
    started = time.monotonic()
    yield
    timings.append(PhaseTiming(name, round(time.monotonic() - started, 4)))


def disk_full(free: int, wanted: int, disk: Path) -> BuildFailed:
    """Only `free` bytes are left of the `wanted` ones."""
    return BuildFailed(
        f"The disk is nearly full: {free // 1024**2} MiB are free",
        f"A build needs {wanted // 1024**2} MiB on the disk of {disk}.",
        "Ask the administrator to free space: old apps and builds, or the folder cache, "
        "which may be deleted.",
    )


def run(box: Sandbox, argv: Sequence[str], emit: Callable[[str], None], guard: Guard) -> Ended:
    """Run `argv` in `box` to its end, passing on each line it prints.

    Raises:
        BuildCancelled, BuildFailed: the guard said so; the whole process tree is gone.
    """
    guard.check()
    lines = Lines(emit)
    try:
        child = sandbox.start(box, argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except SandboxError as error:
        raise BuildFailed(
            "The build could not be isolated", str(error), "Run `paas doctor` on the server."
        ) from None
    assert child.stdout is not None
    try:
        faults.point("build.command")
        stream(child.stdout, lines, guard, child.group)
        status = child.wait()
    except BaseException:
        child.kill_tree()
        raise
    finally:
        child.stdout.close()
    lines.close()
    assert status is not None
    return Ended(status, tuple(lines.tail), child.oom_killed)


def shown(command: str) -> str:
    """The beginning of a command, fit for a line of the log."""
    line = command.split("\n")[0]
    cut = line[:_SHOWN]
    return cut if cut == command else f"{cut}…"


def command_failed(phase: Phase, command: str, ended: Ended) -> BuildFailed:
    """What to tell of a command of `phase` that failed."""
    if ended.out_of_memory:
        return BuildFailed(
            f"The phase {phase.name} took too much memory",
            f"`{shown(command)}` was ended: a build may use {MEMORY_MB} MiB.",
            "Let it use less, or do this work on your machine and commit the result.",
        )
    network = "" if phase.network else " It has no network: only the fetch phase does."
    return BuildFailed(
        f"The phase {phase.name} failed",
        f"`{shown(command)}` ended with exit status {ended.status}.",
        phase.hint or f"Its output above says why.{network}",
    )


def stream(source: IO[bytes], lines: Lines, guard: Guard, group: Group | None) -> None:
    """Pass on what comes from `source` until all writers are gone, looking at the guard often.

    Args:
        group: the writers' control group, if they have one.

    Raises:
        BuildCancelled, BuildFailed: the guard said so, or the writers fork without end.
    """
    output = source.fileno()
    poll = select.poll()
    poll.register(output, select.POLLIN)
    looked = time.monotonic()
    while True:
        ready = poll.poll(_TICK * 1000)
        if not ready or time.monotonic() - looked > _TICK:  # a flood must not hide a cancel
            guard.check()
            _check_forks(group)
            looked = time.monotonic()
        if ready:
            chunk = os.read(output, _CHUNK)
            if not chunk:
                return
            lines.feed(chunk)


def _check_forks(group: Group | None) -> None:
    if group is not None and group.refused_forks() > _REFUSED_FORKS:
        raise BuildFailed(
            f"The build started more than {LIMITS.processes} processes",
            "It was ended: it would have gone on trying.",
            "Look for a command that starts itself without end, or let it do less at once.",
        )
