"""Follows a build's log until the end record (docs/architecture.md, "The wires")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

_POLL = 0.02  # seconds: a short deploy should not end later because of us
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class EndRecord:
    """How a build ended: "succeeded", "failed" or "cancelled"."""

    state: str
    release: str | None
    url: str | None


async def follow(path: Path) -> AsyncIterator[str | EndRecord]:
    """Yield the log's new lines, as one text with line ends, and at last its end record.

    The file may appear later. Never ends without an end record: bound it by a timeout.
    """
    while not path.exists():
        await asyncio.sleep(_POLL)
    rest = b""
    with path.open("rb") as file:
        while True:
            data = file.read(_CHUNK)
            lines, rest = _split(rest + data)
            if lines:
                yield lines.decode("utf-8", "replace")
            if record := _end_record(rest):
                yield record
                return
            if not data:
                await asyncio.sleep(_POLL)


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Whole lines before the end record, and what follows them."""
    start = 0 if data.startswith(b"\0") else data.find(b"\n\0") + 1
    if start or data.startswith(b"\0"):
        return data[:start], data[start:]
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:]


def _end_record(data: bytes) -> EndRecord | None:
    if not data.startswith(b"\0"):
        return None
    try:
        fields = json.loads(data[1:])
    except ValueError:  # half written
        return None
    return EndRecord(fields["state"], fields.get("release"), fields.get("url"))
