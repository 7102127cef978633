"""What the user sees: clean text on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from getpass import getpass
from typing import Any, TextIO

from paas.cli.errors import UsageError

_MARK = " ›   "  # noqa: RUF001 - Heroku's own
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_HIDDEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}  # controls, invisible marks (bidi), separators, halves
_JOINER = "\u200d"  # a Cf that emoji are made with


def clean(text: object) -> str:
    """`text` with nothing that commands a terminal or hides other text; tabs and lines stay."""
    plain = _ESCAPE_SEQUENCE.sub("", str(text))
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(filter(_is_visible, plain))


def _is_visible(character: str) -> bool:
    return character in ("\t", "\n", _JOINER) or unicodedata.category(character) not in _HIDDEN


def say(text: str = "") -> None:
    """A line of the result, on stdout."""
    print(clean(text), flush=True)


def write(text: str) -> None:
    """Whole lines of the result, on stdout."""
    print(clean(text), end="", flush=True)


def note(text: str) -> None:
    """A line beside the result, on stderr."""
    print(clean(text), file=sys.stderr, flush=True)


def hint(text: str) -> None:
    """A remark of the command, marked as such, on stderr."""
    note(_MARK + text)


def warn(text: str) -> None:
    hint(f"Warning: {text}")


def ask(question: str) -> str:
    """A line the user types, or the next line of what is piped in."""
    return _answer(question, input)


def ask_secret(question: str) -> str:
    """The same, unseen."""
    return _answer(question, getpass)


def _answer(question: str, prompt: Callable[[str], str]) -> str:
    try:
        if sys.stdin.isatty():
            return prompt(f"{question}: ")
        line = sys.stdin.readline()
    except EOFError:
        line = ""
    if not line:
        raise UsageError(f"{question} is needed, and nobody is here to type it.")
    return line.rstrip("\n")


def show_json(data: Any) -> None:
    """`data` as the API gave it; ASCII only, so no terminal takes harm from it."""
    print(json.dumps(data, indent=2), flush=True)


def show_error(message: str, hint: str = "") -> None:
    lines = clean(message).split("\n") + (clean(hint).split("\n") if hint else [])
    head, *rest = [line for line in lines if line.strip()] or ["unknown"]
    print(paint(f"{_MARK}Error: {head}", "red", sys.stderr), file=sys.stderr)
    for line in rest:
        print(f"{_MARK}{line}", file=sys.stderr)


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """`text` in colour where a person looks at it (https://no-color.org)."""
    target = stream or sys.stdout
    if os.environ.get("NO_COLOR") or not target.isatty():
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def show_table(rows: Sequence[Sequence[object]]) -> None:
    """Columns two blanks apart, without a header."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        say("  ".join(padded).rstrip())


def show_facts(facts: dict[str, object]) -> None:
    """`Name: value` lines as they are, the values in one column."""
    width = max(map(len, facts), default=0) + 1
    for name, value in facts.items():
        say(f"{name + ':':{width}} {'' if value is None else value}".rstrip())


def _one_line(cell: object) -> str:
    return " ".join(clean("" if cell is None else cell).split())


def show_time(text: str | None) -> str:
    """The API's time as Heroku shows it: `2026/11/23 23:10:00 +0000 (~ 5m ago)`."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    return f"{moment:%Y/%m/%d %H:%M:%S %z} (~ {_age(seconds)} ago)"


def show_size(size: int) -> str:
    """Bytes for a person: `13.2 MB`."""
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if size >= 1000**power:
            return f"{size / 1000**power:.1f} {unit}"
    return f"{size} B"


def _age(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


class Progress:
    """`Doing it... done` on stderr; lines said in between stand on their own.

    Left by an exception, it ends with ` !`, and the error follows.
    """

    def __init__(self, doing: str) -> None:
        self._doing = clean(doing)
        self._open = False
        self._result: str | None = None

    def __enter__(self) -> Progress:
        self._begin()
        return self

    def _begin(self) -> None:
        print(f"{self._doing}... ", end="", file=sys.stderr, flush=True)
        self._open = True

    def write(self, text: str) -> None:
        """Whole lines of output that came while waiting."""
        if self._open:
            print(file=sys.stderr)
            self._open = False
        print(clean(text), end="", file=sys.stderr, flush=True)

    def done(self, result: str = "done") -> None:
        self._result = result

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if not self._open:
            self._begin()
        print("!" if kind else clean(self._result or "done"), file=sys.stderr, flush=True)
