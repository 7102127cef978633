"""Orders: what `bound.py` should become, one JSON file each.

The files keep every path and argument out of supervisord's configuration,
whose own quoting rules they would otherwise have to survive.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paas.launcher import bound

# -P: whatever lies in the folder where somebody typed `make up` is not imported.
PYTHON = (sys.executable, "-P")


@dataclass(frozen=True)
class Order:
    """One command.

    `death_signal` is what it gets when its parent dies: TERM for what should
    end in good order, KILL for what would otherwise hold its port, or its
    tasks, while its successor waits. `folder` is where it works.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    death_signal: str = "SIGTERM"
    folder: Path = Path("/")


def write_order(folder: Path, order: Order) -> list[str]:
    """Write the order below `folder` (private); returns the command that carries it out."""
    path = folder / f"{order.name}.json"
    write_private(path, json.dumps(as_json(folder, order)))
    return [sys.executable, "-I", "-S", bound.__file__, str(path)]


def as_json(folder: Path, order: Order) -> dict[str, Any]:
    """The order as `bound.py` takes it, with its lock in `folder`."""
    return {
        "argv": list(order.argv),
        "environment": dict(order.environment),
        "death_signal": order.death_signal,
        "folder": str(order.folder),
        "lock": str(folder / f"{order.name}.lock"),
    }


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.rename(path)
