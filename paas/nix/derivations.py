"""Derivations as Nix writes them: read from `.drv` files, strictly, without Nix.

`nix show-derivation` writes another JSON in every second version of Nix; the
files themselves have had one form for ever:
`Derive([outputs],[input derivations],[input sources],system,builder,[arguments],[environment])`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_MAX_DEPTH = 8


class NotADerivation(Exception):
    """The contents are not what Nix writes into a `.drv` file."""


@dataclass(frozen=True)
class Output:
    """One output: `path` is "" where it is not known before the build."""

    name: str
    path: str
    algorithm: str
    hash: str

    @property
    def fixed(self) -> bool:
        """Whether its contents are known by hash: such a builder has the network."""
        return bool(self.hash)


@dataclass(frozen=True)
class Derivation:
    """What Nix is to run: `builder` with `arguments` in `environment`."""

    outputs: tuple[Output, ...]
    input_derivations: Mapping[str, tuple[str, ...]]
    input_sources: tuple[str, ...]
    system: str
    builder: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)

    def attributes(self) -> dict[str, Any]:
        """The attributes that Nix looks at: of the environment, or of `__json` (structured).

        Raises:
            NotADerivation: `__json` holds no JSON object.
        """
        text = self.environment.get("__json")
        if text is None:
            return dict(self.environment)
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise NotADerivation("__json is no JSON object")
        return data

    def flag(self, name: str) -> bool:
        """Whether the attribute is set to true, as Nix sees it."""
        return self.attributes().get(name) in (True, "1")

    def words(self, name: str) -> tuple[str, ...]:
        """The attribute as a list of texts: a list in JSON, separated by spaces in a variable."""
        value = self.attributes().get(name)
        if isinstance(value, str):
            return tuple(value.split())
        return tuple(str(one) for one in value) if isinstance(value, list) else ()


def parse(contents: bytes) -> Derivation:
    """The derivation in a `.drv` file.

    Raises:
        NotADerivation: it is not exactly in the form that Nix writes.
    """
    if not contents.startswith(b"Derive("):
        raise NotADerivation("it does not begin with Derive(")
    value, end = _Reader(contents).sequence(len(b"Derive("), b")", 0)
    if end != len(contents) or len(value) != 7:
        raise NotADerivation("it has other parts than seven")
    outputs, inputs, sources, system, builder, arguments, environment = value
    try:
        return Derivation(
            outputs=tuple(Output(*_texts(row, 4)) for row in outputs),
            input_derivations={_text(path): _texts(names) for path, names in inputs},
            input_sources=_texts(sources),
            system=_text(system),
            builder=_text(builder),
            arguments=_texts(arguments),
            environment={_text(name): _text(content) for name, content in environment},
        )
    except (TypeError, ValueError) as error:
        raise NotADerivation(str(error)) from None


class _Reader:
    """Reads texts, lists `[…]` and tuples `(…)`; positions are bytes."""

    def __init__(self, contents: bytes) -> None:
        self.contents = contents

    def sequence(self, start: int, end: bytes, depth: int) -> tuple[list[Any], int]:
        """The values from `start` to the byte `end`, and the position after it."""
        if depth > _MAX_DEPTH:
            raise NotADerivation("it is nested too deeply")
        found: list[Any] = []
        position = start
        while self._at(position) != end:
            if found:
                if self._at(position) != b",":
                    raise NotADerivation(f"there is no comma at byte {position}")
                position += 1
            value, position = self._value(position, depth)
            found.append(value)
        return found, position + 1

    def _value(self, position: int, depth: int) -> tuple[Any, int]:
        opening = self._at(position)
        if opening in (b"[", b"("):
            closing = b"]" if opening == b"[" else b")"
            return self.sequence(position + 1, closing, depth + 1)
        match = _TEXT.match(self.contents, position)
        if match is None:
            raise NotADerivation(f"there is no value at byte {position}")
        raw = _ESCAPED.sub(lambda one: _ESCAPES.get(one[1], one[1]), match[1])
        return raw.decode(errors="surrogateescape"), match.end()

    def _at(self, position: int) -> bytes:
        byte = self.contents[position : position + 1]
        if not byte:
            raise NotADerivation("it ends too early")
        return byte


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a list stands where a text should")
    return value


def _texts(values: object, count: int | None = None) -> tuple[str, ...]:
    if not isinstance(values, list) or (count is not None and len(values) != count):
        raise TypeError("a list has another length")
    return tuple(_text(one) for one in values)
