"""docs/heroku-compatibility.md: written from a run, kept in step with the scenarios.

A scenario is a test with `@command("apps:create")`; the first line of its
docstring says what it asserts.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "heroku-compatibility.md"
PACKAGE = Path(__file__).parent / "package.json"
PROPERTY = "heroku"
"""Name of the pytest property under which a report carries its scenario to the writer."""

_Test = TypeVar("_Test", bound=Callable[..., Any])


def command(name: str) -> Callable[[_Test], _Test]:
    """Mark a test as the scenario of a command of Heroku's CLI."""

    def mark(test: _Test) -> _Test:
        return pytest.mark.scenario(name)(test)

    return mark


@dataclass(frozen=True, order=True)
class Scenario:
    """One row of the table."""

    command: str
    asserted: str

    @classmethod
    def of(cls, test: Callable[..., Any]) -> Scenario | None:
        """The scenario that `test` is, if it is one."""
        for mark in getattr(test, "pytestmark", ()):
            if mark.name == "scenario":
                text = inspect.getdoc(test) or ""
                return cls(mark.args[0], text.splitlines()[0].rstrip("."))
        return None


def render(results: Mapping[Scenario, str]) -> str:
    """The page for these scenarios and how each ended ("passed", "failed")."""
    version = json.loads(PACKAGE.read_text())["dependencies"]["heroku"]
    rows = [f"| `{one.command}` | {one.asserted} | {results[one]} |" for one in sorted(results)]
    return _HEAD.format(version=version, count=len(rows)) + "\n".join(rows) + "\n" + _TAIL


def rows_of(page: str) -> Iterable[Scenario]:
    """The scenarios that a page lists."""
    for line in page.splitlines():
        if line.startswith("| `"):
            name, asserted, _ = (cell.strip() for cell in line.strip("|").split(" | "))
            yield Scenario(name.strip(" `"), asserted)


_HEAD = """\
# Heroku's clients

Written by `make test-heroku`, which runs the unmodified Heroku CLI {version} against a running
instance: each command below is asserted on what it prints and on what it leaves behind. How to set
the CLI up, and what to beware of, is in the [README](../README.md#herokus-cli).

{count} scenarios:

| command | what is asserted | result |
|---|---|---|
"""

_TAIL = """
What needs something that paas does not have is answered with 404 or 422 and what to do instead. The
Python library heroku3 is tested, too: apps, config, releases, formation
(`tests/formation/test_heroku3.py`).
"""
