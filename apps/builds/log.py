"""Build and release logs: plain lines in a file, closed by an end record.

The file is the truth while it grows and afterwards. Its last line is a NUL
byte and JSON: whoever tails the file knows from it that nothing more comes
and how it ended. Control characters are removed from all other lines, so no
program under build can forge that record. No Django here: the gateway reads
these files too.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_KEEP = {ord("\t"): "\t", ord("\n"): "\n"}
_CONTROL = {code: _KEEP.get(code, "") for code in [*range(32), *range(127, 160)]}
MAX_LINE = 10_000  # characters
MAX_BYTES = 300 * 1024 * 1024  # Heroku's limit for a build's log


@dataclass(frozen=True)
class End:
    """How it ended: `state` is succeeded, failed or cancelled."""

    state: str
    release: str | None = None
    url: str | None = None


def clean(text: str) -> str:
    """`text` without control characters but tabs and line ends."""
    return text.translate(_CONTROL)


class LogFile:
    """One log; writing opens, appends and closes, so a killed writer leaves whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, line: str) -> None:
        """Append one line (or several, joined by line ends), each cut at `MAX_LINE`."""
        lines = clean(line).rstrip("\n").split("\n")
        self._append("".join(part[:MAX_LINE] + "\n" for part in lines))

    def close(self, end: End) -> None:
        """Write the end record; a second one is ignored by readers."""
        self._append("\0" + json.dumps(asdict(end)) + "\n")

    def end(self) -> End | None:
        """The end record, if it has been written."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
                tail = file.read().decode(errors="replace")
        except FileNotFoundError:
            return None
        marked = [line for line in tail.split("\n") if line.startswith("\0")]
        return _parse_end(marked[0]) if marked else None

    def read_from(self, offset: int) -> tuple[str, int]:
        """Up to 64 KiB from `offset` on, and the offset behind them; nothing yet: ("", offset).

        It ends at a line end, so that no character is cut in two.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                chunk = file.read(65536)
        except FileNotFoundError:
            return "", offset
        whole = chunk.rfind(b"\n") + 1
        return chunk[:whole].decode(errors="replace"), offset + whole

    def text(self) -> str:
        """All of it so far, without the end record."""
        try:
            whole = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return whole.partition("\0")[0]

    def _append(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab", opener=_private) as file:
            if file.tell() < MAX_BYTES or text.startswith("\0"):
                file.write(text.encode())


def _parse_end(line: str) -> End | None:
    try:
        return End(**json.loads(line[1:]))
    except (ValueError, TypeError):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
