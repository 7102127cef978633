"""One launcher per `PAAS_HOME`, or several parts that were started alone."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from paas.instance import Instance, InstanceError, current, make_private
from paas.launcher import leftovers
from paas.launcher.errors import AlreadyRunning

LOCK_FILE = "launcher.lock"
_TRIES = 5


@contextmanager
def only_launcher(instance: Instance) -> Iterator[None]:
    """Hold the instance as long as the block runs; the kernel lets go if we are killed.

    Raises:
        AlreadyRunning: another launcher (or a restore) holds it.
    """
    make_private(instance.home)
    handle = os.open(instance.home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(handle):
            raise AlreadyRunning(_who(instance, handle))
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()} {instance.origin}".encode(), 0)
        yield
    finally:
        os.close(handle)


def join(instance: Instance) -> int:
    """Hold the instance together with its other parts, as long as this process or an heir lives.

    No launcher and no restore gets it meanwhile.

    Returns:
        The open lock file, which a program that this process becomes inherits.

    Raises:
        AlreadyRunning: a launcher (or a restore) holds it.
    """
    make_private(instance.home)
    handle = os.open(instance.home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    if _lock(handle, fcntl.LOCK_EX, tries=1):
        os.ftruncate(handle, 0)  # the first: what an earlier launcher wrote is not true any more
    if not _lock(handle, fcntl.LOCK_SH):
        try:
            raise AlreadyRunning(_who(instance, handle))
        finally:
            os.close(handle)
    os.set_inheritable(handle, True)
    return handle


def holder_of(instance: Instance) -> int | None:
    """The process that holds the instance now, or None: it does not run."""
    if not (instance.home / LOCK_FILE).exists():
        return None
    return leftovers.holder(instance.home / LOCK_FILE)


def as_started(instance: Instance, holder: int) -> Instance:
    """`instance` with the settings that its launcher was started with.

    Who asks from another shell has not set PAAS_PORT and the like there again.

    Args:
        holder: the launcher's process, of `holder_of`.
    """
    try:
        raw = Path(f"/proc/{holder}/environ").read_bytes()
        lines = (line.partition("=") for line in raw.decode(errors="replace").split("\0"))
        started = current({name: value for name, _, value in lines if name.startswith("PAAS_")})
    except (OSError, InstanceError):  # it has just ended, or is another user's
        return instance
    return replace(started, home=instance.home, run=instance.run)


def _lock(handle: int, how: int = fcntl.LOCK_EX, tries: int = _TRIES) -> bool:
    """More than one try, because whoever asks `holder_of` holds the lock for a moment."""
    for _ in range(tries):
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _who(instance: Instance, handle: int) -> str:
    pid, _, origin = os.pread(handle, 4096, 0).decode(errors="replace").partition(" ")
    if not pid:
        return (
            f"Parts of the instance in {instance.home} run (`python -m paas.launcher PART`). Stop "
            "them first: the containers, the pod or the units that they are in."
        )
    return (
        f"The instance in {instance.home} runs already: {origin} (process {pid}). Stop that one "
        f"with Ctrl-C, or start another beside it with its own PAAS_HOME and PAAS_PORT."
    )
