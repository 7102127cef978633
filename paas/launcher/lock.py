"""One launcher per `PAAS_HOME`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from paas.instance import Instance, make_private
from paas.launcher.errors import AlreadyRunning

LOCK_FILE = "launcher.lock"


@contextmanager
def only_launcher(instance: Instance) -> Iterator[None]:
    """Hold the instance as long as the block runs; the kernel lets go if we are killed.

    Raises:
        AlreadyRunning: another launcher (or a restore) holds it.
    """
    make_private(instance.home)
    handle = os.open(instance.home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_who(instance, handle)) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()} {instance.origin}".encode(), 0)
        yield
    finally:
        os.close(handle)


def is_running(instance: Instance) -> bool:
    """Whether a launcher holds the instance now."""
    if not (instance.home / LOCK_FILE).exists():
        return False
    try:
        with only_launcher(instance):
            return False
    except AlreadyRunning:
        return True


def _who(instance: Instance, handle: int) -> str:
    pid, _, origin = os.pread(handle, 4096, 0).decode(errors="replace").partition(" ")
    return (
        f"The instance in {instance.home} runs already: {origin} (process {pid}). Stop that one "
        f"with Ctrl-C, or start another beside it with its own PAAS_HOME and PAAS_PORT."
    )
