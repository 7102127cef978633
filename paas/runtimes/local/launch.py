"""The JSON file by which the runtime tells supervisord what to run, and its execution.

It holds the environment of the process, so it lies in `run` and is readable
by its owner only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from paas import sandbox
from paas.sandbox.spec import Bind, Limits, Overlay, Sandbox, SandboxError

NOT_STARTED = 125
"""Exit status of a process that never became the app's (`docker run`'s)."""


def write(path: Path, box: Sandbox, argv: Sequence[str]) -> None:
    """Write the file that makes the launcher run `argv` in `box`."""
    text = json.dumps({"sandbox": asdict(box), "argv": list(argv)}, default=str)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def read(path: Path) -> tuple[Sandbox, list[str]]:
    """What `write` has written."""
    data = json.loads(path.read_text())
    return _sandbox(data["sandbox"]), data["argv"]


def become(path: Path, parent: int) -> NoReturn:
    """Turn this process, a fresh child of `parent`, into what the file describes.

    A child of supervisord does this without starting another interpreter:
    that alone would cost more than all the rest of a start.

    Raises:
        SandboxError: isolation cannot be had.
    """
    box, argv = read(path)
    if box.uid is not None and os.geteuid() == 0:
        os.fchown(1, box.uid, -1)  # else the app could not open /dev/stdout
    if box.overlay is not None:
        for left in box.overlay.scratch.iterdir():  # by this process before it crashed
            sandbox.remove_tree(left)
    prepared = sandbox.command(box, argv)
    if os.getppid() != parent:
        raise SandboxError("supervisord has gone: nobody would own this process")
    prepared.exec()


def _sandbox(data: dict[str, Any]) -> Sandbox:
    overlay = data["overlay"]
    return Sandbox(
        **data
        | {
            "binds": tuple(_bind(bind) for bind in data["binds"]),
            "overlay": overlay and _overlay(overlay),
            "limits": Limits(**data["limits"]),
        }
    )


def _bind(data: dict[str, Any]) -> Bind:
    return Bind(**data | {"source": Path(data["source"])})


def _overlay(data: dict[str, Any]) -> Overlay:
    return Overlay(Path(data["lower"]), Path(data["scratch"]), data["target"])
