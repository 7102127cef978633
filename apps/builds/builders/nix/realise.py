"""Run one Nix build: streamed, bounded and cancellable like every command of a build."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from apps.builds.builders import steps
from apps.builds.builders.nix.activity import LOG_LIMIT, Activities
from apps.builds.builders.output import Lines
from apps.builds.builders.steps import Guard
from paas.nix import builders
from paas.nix.store import Store
from paas.nix.tied import tied
from paas.sandbox import cgroups

_TRIES = 4
_GRACE = 10.0  # seconds that Nix gets to stop its builders
OPTIONS = ("--log-format", "internal-json", "--option", "max-build-log-size", str(LOG_LIMIT))


@dataclass(frozen=True)
class Realised:
    """How it ended: store paths in the order asked for, or none with a status that is not 0."""

    status: int
    paths: tuple[str, ...]
    out_of_memory: bool


def realise(
    store: Store, argv: Sequence[str], activities: Activities, guard: Guard, *, name: str, tmp: Path
) -> Realised:
    """Run `argv`, a `nix-build` or `nix-store --realise`, to its end.

    Where this user's own Nix builds (and not a daemon), it and its builders
    are one control group with the limits of a build. Whoever adds a user to
    the machine meanwhile takes away the users of builders: then it goes on
    from where it was.

    Args:
        name: of the control group.
        tmp: a folder of the caller's, where the builds' folders are.

    Raises:
        BuildCancelled, BuildFailed: the guard said so; the builders are gone.
    """
    store.prepare()
    guard.check()
    tmp.mkdir(parents=True, exist_ok=True, mode=0o755)
    for _ in range(_TRIES - 1):
        done = _realised(store, argv, activities, guard, name=name, tmp=tmp)
        if done.status == 0 or not any(map(builders.users_are_gone, activities.errors)):
            return done
        activities.errors.clear()
    return _realised(store, argv, activities, guard, name=name, tmp=tmp)


def _realised(
    store: Store, argv: Sequence[str], activities: Activities, guard: Guard, *, name: str, tmp: Path
) -> Realised:
    group = None if store.config.daemon else cgroups.create(name, steps.LIMITS)
    process = subprocess.Popen(
        tied([*argv, *OPTIONS]),
        env={**store.environment(), "TMPDIR": str(tmp)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        if group is not None:
            group.add(process.pid)
        lines = Lines(activities.feed)
        steps.stream(process.stderr, lines, guard, group)
        lines.close()
        paths = process.stdout.read().decode().split()
        status = process.wait()
        oom = group is not None and group.oom_kills() > 0
    except BaseException:
        _stop(process)
        raise
    finally:
        process.stdout.close()
        process.stderr.close()
        if group is not None:
            group.remove()
    return Realised(status, tuple(paths) if status == 0 else (), oom)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Nix ends its builders when it is interrupted; what does not hear is killed."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
