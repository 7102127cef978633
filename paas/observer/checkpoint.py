"""What the observer notes down, so that killed at any moment it loses and repeats nothing.

The order makes it so: lines are appended to the merged file, then the
checkpoint says how far the raw files were read and where the merged file
ended, then the lines go to Redis. Whatever stands in the merged file behind
the noted end was never published: it is cut off and read once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = "checkpoint.json"
FOLDER = "observer"
"""A folder of its own: a change of the app's folder then means a new raw file."""


def save(path: Path, data: Mapping[str, object]) -> None:
    """Replace the file in one step.

    Raises:
        OSError: disk full or folder gone; the old contents stay.
    """
    path.parent.mkdir(exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(json.dumps(data), encoding="utf-8")
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


def load(path: Path) -> dict[str, Any]:
    """What was saved last, or nothing."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def age(path: Path, now: float) -> float:
    """Seconds since the last save (`now` is Unix time), 0 if there was none."""
    try:
        return max(0.0, now - path.stat().st_mtime)
    except FileNotFoundError:
        return 0.0
