"""The output of hostile programs as lines of a build's log.

The grammar is Heroku's: `-----> ` a step, seven spaces a detail, ` !     ` a
warning (Heroku's buildpack output, as `git push` shows it).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

MAX_LINE = 10_000  # bytes
MAX_OUTPUT = 8 * 1024 * 1024  # bytes of one build; what comes after is dropped
_DETAIL = " " * 7
_TAIL = 40  # lines kept to explain a failure
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = dict.fromkeys([*range(9), *range(10, 32), *range(127, 160)])


class BuildLog:
    """Writes one build's lines; counts what programs print, and remembers the last of it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._left = MAX_OUTPUT
        self.warnings: list[str] = []

    def step(self, text: str) -> None:
        self._write(f"-----> {text}")

    def line(self, text: str) -> None:
        """A finished line, as another log wrote it."""
        self._write(text)

    def detail(self, text: str) -> None:
        self._write(_DETAIL + text)

    def warn(self, text: str) -> None:
        """A warning of the build; it is kept for the result too."""
        self.warnings.append(text)
        for line in text.splitlines():
            self._write(f" !     {line}")

    @property
    def full(self) -> bool:
        """Whether nothing more of what programs print is kept."""
        return self._left < 0

    def program(self, line: str) -> None:
        """One line that a program printed."""
        size = len(line.encode(errors="replace")) + len(_DETAIL)
        if self._left >= 0:
            self._left -= size
            if self._left >= 0:
                self.detail(line)
            else:
                self.warn("The build prints too much: the rest of its output is not kept.")


class Lines:
    """Cuts a stream of bytes into clean lines and passes them on."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._held = b""
        self._dropping = False  # the end of a line that was too long
        self.tail: deque[str] = deque(maxlen=_TAIL)

    def feed(self, chunk: bytes) -> None:
        *whole, rest = (self._held + chunk).split(b"\n")
        for line in whole:
            self._line(line)
            self._dropping = False
        if len(rest) > MAX_LINE:
            self._line(rest)
            self._dropping, rest = True, b""
        self._held = rest

    def close(self) -> None:
        """Pass on what came without a line end."""
        if self._held:
            self._line(self._held)
            self._held = b""

    def _line(self, raw: bytes) -> None:
        if self._dropping:
            return
        text = clean(raw)
        self.tail.append(text)
        self._emit(text)


def clean(raw: bytes) -> str:
    """One line as text: without colours and control characters, of bounded length."""
    shown = raw.rstrip(b"\r").rpartition(b"\r")[2][:MAX_LINE]  # a progress bar's last state
    return _ESCAPE.sub("", shown.decode(errors="replace")).translate(_CONTROL).rstrip()
