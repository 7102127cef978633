"""Files that several processes may write at once, all the same."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Make `path` hold `text`, whole or not at all; nothing is written if it does."""
    with suppress(OSError):
        if path.read_text() == text:
            return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text)
    draft.chmod(mode)
    draft.replace(path)
