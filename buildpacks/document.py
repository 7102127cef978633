"""TOML and JSON files of the tree: parsed, and read with errors that name the key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from buildpacks.errors import PlanError, shown
from buildpacks.tree import SourceTree

_T = TypeVar("_T")
MAX_DOCUMENT = 256 * 1024  # bytes; tomllib takes 0.1 s for it
MAX_DOTS = 100  # in a line, outside of quotes; tomllib takes quadratic time for a key with many
_QUOTED = re.compile(r""" "(?:[^"\\]|\\.)*" | '[^']*' """, re.VERBOSE)


@dataclass(frozen=True)
class Table:
    """An object of a TOML or JSON file that knows where it stands.

    The getters return None for a key that is not there and raise PlanError
    for one of a wrong type.
    """

    data: dict[str, Any]
    file: str
    path: str = ""

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def where(self, key: str) -> str:
        """The full name of `key`, as shown to the user."""
        return f"{self.path}.{shown(key)}" if self.path else shown(key)

    def text(self, key: str) -> str | None:
        value = self._get(key, (str,), "a text")
        return None if value is None else self._without_nul(key, value)

    def mapping(self, key: str) -> dict[str, str]:
        """The object of texts at `key`; empty when there is none."""
        table = self.table(key)
        return {name: table.text(name) or "" for name in table} if table is not None else {}

    def flag(self, key: str) -> bool | None:
        return self._get(key, (bool,), "true or false")

    def whole(self, key: str, least: int = 0) -> int | None:
        """A whole number that is not below `least`."""
        value = self._get(key, (int,), "a whole number")
        if value is not None and value < least:
            raise self.wrong(key, f"must be at least {least}", f"It is {value}.")
        return value

    def number(self, key: str) -> float | None:
        """A number that is not negative."""
        value = self._get(key, (int, float), "a number")
        if value is None:
            return None
        if not 0 <= value <= 1e9:
            raise self.wrong(key, "must be a number from 0 to 1,000,000,000", f"It is {value}.")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts."""
        values = self._get(key, (list,), "a list of texts")
        if values is None:
            return None
        for value in values:
            if not isinstance(value, str):
                raise self._wrong_type(key, "a list of texts", value)
        return tuple(self._without_nul(key, value) for value in values)

    def table(self, key: str) -> Table | None:
        """The object at `key`."""
        value = self._get(key, (dict,), "an object (a table)")
        return None if value is None else Table(value, self.file, self.where(key))

    def tables(self, key: str) -> list[Table] | None:
        """The list of objects at `key`."""
        values = self._get(key, (list,), "a list of objects")
        if values is None:
            return None
        found = []
        for number, value in enumerate(values):
            if not isinstance(value, dict):
                raise self._wrong_type(key, "a list of objects", value)
            found.append(Table(value, self.file, f"{self.where(key)}[{number}]"))
        return found

    def wrong(self, key: str, what: str, why: str, fix: str = "") -> PlanError:
        """The error that the value of `key` is not acceptable."""
        where = self.where(key)
        return PlanError(
            f"{where} {what}",
            why=why,
            fix=fix or f"Correct {where} in {self.file}.",
            file=self.file,
        )

    def _get(self, key: str, kinds: tuple[type[_T], ...], wanted: str) -> _T | None:
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self._wrong_type(key, wanted, value)
        return value

    def _without_nul(self, key: str, value: str) -> str:
        if "\0" in value:
            raise self.wrong(key, "holds a NUL character", "No program takes such a text.")
        return value

    def _wrong_type(self, key: str, wanted: str, value: object) -> PlanError:
        fix = ""
        if wanted == "a text" and isinstance(value, int | float):
            fix = (
                f'Put {self.where(key)} into quotes in {self.file}: "{shown(str(value).lower())}".'
            )
        return self.wrong(key, f"must be {wanted}", f"It is {_type_name(value)}.", fix)


def read_toml(tree: SourceTree, path: str) -> Table | None:
    """The TOML file `path`; None when there is none."""
    text = tree.read(path, MAX_DOCUMENT)
    if text is None:
        return None
    try:
        if any(_QUOTED.sub("", line).count(".") > MAX_DOTS for line in text.split("\n")):
            raise RecursionError
        return Table(tomllib.loads(text), path)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "TOML", error) from None


def read_json(tree: SourceTree, path: str, limit: int = MAX_DOCUMENT) -> Table | None:
    """The JSON file `path` of at most `limit` bytes, an object; None when there is none."""
    text = tree.read(path, limit)
    if text is None:
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "JSON", error) from None
    if not isinstance(data, dict):
        raise PlanError(
            "must hold a JSON object",
            why=f"It holds {_type_name(data)}.",
            fix=f"Write {path} as `{{ … }}`.",
            file=path,
        )
    return Table(data, path)


def _invalid(path: str, language: str, error: Exception) -> PlanError:
    why = "It is nested too deeply." if isinstance(error, RecursionError) else f"{error}."
    return PlanError(
        f"not valid {language}",
        why=shown(why[:1].upper() + why[1:], 200),
        fix=f"Correct {path} and commit it.",
        file=path,
    )


def _type_name(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    if value is None:
        return "null"
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a date")
