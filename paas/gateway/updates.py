"""What a push wants to change, and what that means: deploy, store or refuse."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_BRANCHES = "refs/heads/"
_TAGS = "refs/tags/"
_OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHOWN = 5  # a push of all tags must not bury the deploy's own output


class UpdateError(Exception):
    """The hook sent something that is no list of updates."""


@dataclass(frozen=True)
class Update:
    """One reference that a push moves; an all-zero id means "does not exist"."""

    old: str
    new: str
    ref: str

    @property
    def deletes(self) -> bool:
        return set(self.new) == {"0"}


@dataclass(frozen=True)
class Verdict:
    """What to do with a push. With `refusals` nothing of it is accepted."""

    deploy: Update | None = None
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def parse(rows: object) -> tuple[Update, ...]:
    """Read the hook's `updates`.

    Raises:
        UpdateError: not a list of [old, new, ref] with object ids.
    """
    if not isinstance(rows, list):
        raise UpdateError("updates is not a list")
    return tuple(_update(row) for row in rows)


def judge(updates: Sequence[Update], deploy_branch: str) -> Verdict:
    """Decide what a push of `updates` means where `deploy_branch` is deployed."""
    target = _BRANCHES + deploy_branch
    refusals = [text for update in updates if (text := _refusal(update, target))]
    deploy = next((u for u in updates if u.ref == target and not u.deletes), None)
    stored = [u.ref for u in updates if u.ref != target and not u.deletes]
    return Verdict(deploy, tuple(refusals), tuple(_warnings(stored, deploy_branch)))


def shown(text: str) -> str:
    """`text` without what could move a terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _update(row: object) -> Update:
    if not (isinstance(row, list) and len(row) == 3 and all(isinstance(f, str) for f in row)):
        raise UpdateError("an update is not [old, new, ref]")
    old, new, ref = row
    if not (_OBJECT_ID.fullmatch(old) and _OBJECT_ID.fullmatch(new)):
        raise UpdateError("an update names no object")
    return Update(old, new, ref)


def _refusal(update: Update, target: str) -> str | None:
    if not update.ref.startswith((_BRANCHES, _TAGS)):
        return f"{shown(update.ref)} is neither a branch nor a tag. Push branches and tags only."
    if update.ref == target and update.deletes:
        branch = target.removeprefix(_BRANCHES)
        return (
            f"{shown(branch)} is the branch that gets deployed; it cannot be deleted. "
            "To delete the app: paas apps:destroy"
        )
    return None


def _warnings(refs: Sequence[str], deploy_branch: str) -> Iterable[str]:
    for ref in refs[:_SHOWN]:
        yield f"{_kind(ref)} stored, not deployed: only {shown(deploy_branch)} is deployed."
        yield f"To deploy it: git push paas {_refspec(ref, deploy_branch)}"
    if len(refs) > _SHOWN:
        yield f"{len(refs) - _SHOWN} more branches and tags were stored, not deployed."


def _kind(ref: str) -> str:
    if ref.startswith(_TAGS):
        return f"Tag {shown(ref.removeprefix(_TAGS))}"
    return f"Branch {shown(ref.removeprefix(_BRANCHES))}"


def _refspec(ref: str, deploy_branch: str) -> str:
    """Quoted for a shell: a branch may be called `$(reboot)`, and people copy this line."""
    if ref.startswith(_TAGS):
        # An annotated tag is no commit, so it must be peeled, and then git
        # cannot guess that the target is a branch.
        spec = f"{ref.removeprefix(_TAGS)}^{{}}:{_BRANCHES}{deploy_branch}"
    else:
        spec = f"{ref.removeprefix(_BRANCHES)}:{deploy_branch}"
    return shlex.quote(shown(spec))
