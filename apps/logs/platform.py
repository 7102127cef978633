"""How the panel says something in an app's log: `paas[api]: Release v7 created by …`.

The observer alone writes the merged log, so the panel appends to a raw file
beside it (`platform.raw`) and the observer takes it from there. Standard
library only.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from apps.logs.lines import NAME, Message, clean, split
from paas.instance import Instance

RAW_NAME = "platform.raw"

_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)

logger = logging.getLogger(__name__)


def emit(instance: Instance, app_id: str, source: str, process: str, text: str) -> None:
    """Append `text` to the app's log, stamped now.

    A log that cannot be written (disk full, folder gone) stops no deploy: it
    is reported to `logging` and that is all.

    Args:
        source: "paas", or "app" for what a process printed.
        process: "api", "web.1", "release.3".
        text: one line or several.

    Raises:
        ValueError: `app_id` or `process` is no such name (a mistake of the caller's).
    """
    if not _APP_ID.fullmatch(app_id) or not NAME.fullmatch(process):
        raise ValueError(f"no app id or process name: {app_id!r}, {process!r}")
    data = _encode(source, process, text)
    try:
        _append(instance.app_logs / app_id, data)
    except OSError as error:
        logger.warning("app %s: a log line of %s[%s] is lost: %s", app_id, source, process, error)


@contextmanager
def appending(path: Path) -> Iterator[int]:
    """A descriptor of `path` that nobody else writes to or renames while it is in use."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_still(fd, path):
                yield fd
                return
        finally:
            os.close(fd)


def rotate(path: Path) -> None:
    """Rename `path` to `<path>.1`, after the last writer has left it and before the next."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        path.replace(path.with_name(path.name + ".1"))
    finally:
        os.close(fd)


def _encode(source: str, process: str, text: str) -> bytes:
    now = datetime.now(UTC)
    lines = text.rstrip("\n").encode("utf-8", "replace").split(b"\n")
    pieces = [clean(piece) for line in lines for piece in split(line)]
    return "".join(f"{Message(now, source, process, piece)}\n" for piece in pieces).encode()


def _append(app_dir: Path, data: bytes) -> None:
    app_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with appending(app_dir / RAW_NAME) as fd:
        os.write(fd, data if _ends_with_a_line(fd) else b"\n" + data)


def _ends_with_a_line(fd: int) -> bool:
    """False where a full disk took only the beginning of the last line."""
    size = os.fstat(fd).st_size
    return not size or os.pread(fd, 1, size - 1) == b"\n"


def _is_still(fd: int, path: Path) -> bool:
    try:
        return os.fstat(fd).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
