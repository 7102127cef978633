"""The JSON file by which the runtime tells supervisord what to run, and its execution.

It holds the environment of the process, so it lies in `run` and is readable
by its owner only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from paas import sandbox
from paas.runtimes.base import ATTACH_TIMEOUT
from paas.sandbox.spec import Bind, Limits, Overlay, Root, Sandbox, SandboxError

NOT_STARTED = 125
"""Exit status of a process that never became the app's (`docker run`'s)."""
_LOOK_EVERY = 1.0  # seconds between two looks whether supervisord is still there


@dataclass(frozen=True)
class Launch:
    """What to run; `channel` is where a process that is to be attached waits for that."""

    sandbox: Sandbox
    argv: Sequence[str]
    channel: Path | None = None


def write(path: Path, launch: Launch) -> None:
    """Write the file that makes the launcher carry out `launch`."""
    text = json.dumps(asdict(launch), default=str)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def read(path: Path) -> Launch:
    """What `write` has written."""
    data = json.loads(path.read_text())
    channel = data.get("channel")  # a file of an older version has none
    return Launch(_sandbox(data["sandbox"]), data["argv"], Path(channel) if channel else None)


def become(path: Path, parent: int) -> NoReturn:
    """Turn this process, a fresh child of `parent`, into what the file describes.

    A child of supervisord does this without starting another interpreter:
    that alone would cost more than all the rest of a start.

    Raises:
        SandboxError: isolation cannot be had.
    """
    launch = read(path)
    box = launch.sandbox
    channel = _await_client(launch.channel, parent) if launch.channel else None
    if box.uid is not None and os.geteuid() == 0:
        os.fchown(1, box.uid, -1)  # else the app could not open /dev/stdout
    if box.overlay is not None:
        for left in box.overlay.scratch.iterdir():  # by this process before it crashed
            sandbox.remove_tree(left)
    prepared = sandbox.command(box, launch.argv, channel=channel)
    if os.getppid() != parent:
        raise SandboxError("supervisord has gone: nobody would own this process")
    prepared.exec()


def _await_client(path: Path, parent: int) -> int:
    """Wait until `Runtime.attach` connects to the socket `path`; the connection's descriptor.

    Raises:
        SandboxError: nobody did in time.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not supervisord's, which this is a fork of
    deadline = time.monotonic() + ATTACH_TIMEOUT
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(_LOOK_EVERY)
        while time.monotonic() < deadline and os.getppid() == parent:
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                path.unlink(missing_ok=True)
                return connection.detach()
    path.unlink(missing_ok=True)
    raise SandboxError(f"no client connected within {ATTACH_TIMEOUT:.0f} s")


def _sandbox(data: dict[str, Any]) -> Sandbox:
    overlay, root = data["overlay"], data.get("root")  # a file of an older version has no root
    return Sandbox(
        **data
        | {
            "binds": tuple(_bind(bind) for bind in data["binds"]),
            "overlay": overlay and _overlay(overlay),
            "root": root and Root(**root),
            "limits": Limits(**data["limits"]),
        }
    )


def _bind(data: dict[str, Any]) -> Bind:
    return Bind(**data | {"source": Path(data["source"])})


def _overlay(data: dict[str, Any]) -> Overlay:
    return Overlay(**data | {"lower": Path(data["lower"]), "scratch": Path(data["scratch"])})
