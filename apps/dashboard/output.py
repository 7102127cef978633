"""Lines of build and release logs, with the kind that decides their colour."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from django.http import HttpRequest

from apps.builds.log import LogFile
from apps.dashboard.streams import SIGN_OF_LIFE, event

SHOWN = 5000
"""Lines of a log on a page; the whole of it is in the file that `paas builds:output` prints."""

_KINDS = {"----->": "step", " !    ": "problem", "       ": "detail"}


@dataclass(frozen=True)
class Line:
    """One line; `kind` is a class of the style sheet: step, problem, detail or plain."""

    text: str
    kind: str


@dataclass(frozen=True)
class Output:
    """A log as far as it goes; `offset` is where the stream of the rest begins."""

    lines: list[Line]
    offset: int
    cut: bool = False


def lines_of(text: str) -> list[Line]:
    return [Line(line, _kind(line)) for line in text.removesuffix("\n").split("\n")]


def output_of(log: LogFile) -> Output:
    """The newest `SHOWN` lines."""
    chunks, offset = [], 0
    while True:
        chunk, offset = log.read_from(offset)
        if not chunk:
            break
        chunks.append(chunk)
    text = "".join(chunks).partition("\0")[0]
    lines = lines_of(text) if text else []
    return Output(lines[-SHOWN:], offset, cut=len(lines) > SHOWN)


async def events_of(growing: AsyncGenerator[tuple[str, int]]) -> AsyncGenerator[str]:
    """A growing log as events; each one's id is the offset behind it."""
    async for text, behind in growing:
        if text:
            yield event(behind, [[line.kind, line.text] for line in lines_of(text)])
        else:
            yield SIGN_OF_LIFE


def offset_of(request: HttpRequest) -> int:
    """Where the reader stands: what it got last, or what the page had already."""
    text = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def _kind(line: str) -> str:
    return next((kind for start, kind in _KINDS.items() if line.startswith(start)), "plain")
