"""A staged edit of config vars: what the form says, before any of it is applied.

Nothing is kept on the server between the steps: the changes travel in the
forms, so a half-done edit leaves no secret behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.http import QueryDict

NEW_ROWS = 3
_SET, _UNSET = "set:", "unset:"


@dataclass(frozen=True)
class Staged:
    """`values` are to be set; `removed` are to go."""

    values: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @property
    def changes(self) -> dict[str, str | None]:
        """As `set_config` takes them."""
        return {**self.values, **dict.fromkeys(self.removed)}

    def applied_to(self, held: Mapping[str, str]) -> dict[str, str]:
        """The config vars as they would be."""
        kept = {name: value for name, value in held.items() if name not in self.removed}
        return kept | dict(self.values)


def staged_in(form: QueryDict) -> Staged:
    """What a form holds: filled-in values, ticked removals, new names with their values.

    An empty value of a var that exists means that it stays.
    """
    values = {
        key.removeprefix(_SET): _lines(form.get(key, ""))
        for key in form
        if key.startswith(_SET) and form.get(key)
    }
    removed = {key.removeprefix(_UNSET) for key in form if key.startswith(_UNSET)}
    names, new = form.getlist("new-name"), form.getlist("new-value")
    for name, value in zip(names, new, strict=False):
        if name.strip():
            values[name.strip()] = _lines(value)
    return Staged(
        {name: value for name, value in values.items() if name not in removed}, frozenset(removed)
    )


def _lines(text: str) -> str:
    """Browsers send line ends as CR LF, whatever was typed or pasted."""
    return text.replace("\r\n", "\n")
