"""`python -m paas.observer`: tails the apps' logs, watches the runtime. One works."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import resource
import signal
import sys
from pathlib import Path

from paas import instance
from paas.instance import Instance, InstanceError
from paas.observer.service import Observer
from paas.observer.watch import Observed
from paas.runtimes.choice import KUBERNETES, LOCAL, make_runtime, redis_url


def main() -> int:
    logging.basicConfig(
        level=os.environ.get("PAAS_LOG_LEVEL") or "INFO",
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        here = instance.current()
        instance.make_private(here.run)
        here.app_logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (InstanceError, OSError) as error:
        print(f"observer: {error}", file=sys.stderr)
        return 1
    allow_many_files()
    lock = lead(here.run / "observer.lock")
    try:
        asyncio.run(_run(here))
    finally:
        os.close(lock)
    return 0


def lead(path: Path) -> int:
    """Wait until no other observer of this machine is left; it ends with the process."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def allow_many_files() -> None:
    """Raise the soft limit of open files: each app's merged log is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def runtime_of(here: Instance) -> Observed:
    """The runtime whose processes are observed."""
    if os.environ.get("PAAS_RUNTIME") == KUBERNETES:
        from paas.runtimes.kubernetes.board import Board
        from paas.runtimes.kubernetes.settings import ClusterSettings
        from paas.runtimes.kubernetes.view import ClusterView

        return ClusterView(ClusterSettings.of(), Board(redis_url(here)))
    return make_runtime(LOCAL, here)


async def _run(here: Instance) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Observer(here, runtime_of(here), redis_url(here)).run(stop)


if __name__ == "__main__":
    sys.exit(main())
