"""docs/authorisation.md, read: who gets which answer to what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "authorisation.md"
ROLES = (
    "anonymous",
    "stranger",
    "viewer",
    "deployer",
    "operator",
    "manager",
    "owner",
    "admin",
    "expired token",
    "wrong scope",
)
_BOLDEST = ("owner", "admin", "manager")
NOBODY = "-"
_ANSWER = re.compile(r"(?P<answer>ok|open|nothing|-|40[134]|422)(?: \((?P<scope>[a-z-]+)\))?\Z")
_DEFAULT_SCOPE = "identity"


@dataclass(frozen=True)
class Cell:
    """What one role gets: ok, open, nothing or a status; `scope` is the wrong one's.

    NOBODY: there is nobody of this role who could ask.
    """

    answer: str
    scope: str


@dataclass(frozen=True)
class Row:
    """One line: `what` is a call or command; `given` its body, or what is typed."""

    what: str
    given: str
    cells: dict[str, Cell]

    @property
    def bearer(self) -> str:
        """Whose token is expired or too narrow: somebody's who might otherwise."""
        might = (role for role in _BOLDEST if self.cells[role].answer == "ok")
        return next(might, "owner")


def rows(heading: str) -> list[Row]:
    """The rows of the table below `## heading`."""
    return [_row(line) for line in _lines(heading)]


def commands(heading: str) -> list[str]:
    """The first column below `## heading`, of a table that says nothing about roles."""
    return [_text(line[0]) for line in _lines(heading)]


def _lines(heading: str) -> list[list[str]]:
    text = DOCUMENT.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"{DOCUMENT.name} has no heading: ## {heading}"
    table = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in table[2:]]


def _row(cells: list[str]) -> Row:
    what, given, *answers = cells
    assert len(answers) == len(ROLES), f"{what}: {len(answers)} answers for {len(ROLES)} roles"
    return Row(_text(what), _text(given), dict(zip(ROLES, map(_cell, answers), strict=True)))


def _cell(text: str) -> Cell:
    match = _ANSWER.match(text)
    assert match, f"{text!r} is no answer: ok, open, nothing, -, 401, 403, 404, 422, or 403 (scope)"
    return Cell(match["answer"], match["scope"] or _DEFAULT_SCOPE)


def _text(cell: str) -> str:
    return cell.strip("`").replace("\\|", "|")
