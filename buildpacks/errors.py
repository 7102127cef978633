"""Why a source tree cannot be planned, and how to show what a hostile file says."""

from __future__ import annotations


class PlanError(Exception):
    """The source cannot be planned.

    Args:
        what: one line, what is wrong, without a full stop at the end; it is
            shown behind the file's name, so it does not repeat that.
        why: the reason, in plain words.
        fix: what the user should do next.
        file: the file in the source tree that is at fault, if one is.
    """

    def __init__(self, what: str, *, why: str, fix: str, file: str | None = None) -> None:
        super().__init__(f"{file}: {what}" if file else what)
        self.what, self.why, self.fix, self.file = what, why, fix, file


def shown(text: str, limit: int = 80) -> str:
    """`text` fit for a line of the build log: printable, and cut at `limit` characters."""
    printable = "".join(letter if letter.isprintable() else "�" for letter in text[:limit])
    return printable + ("…" if len(text) > limit else "")
