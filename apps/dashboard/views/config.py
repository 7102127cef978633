"""Config vars: masked until asked for, changed in one go after a look at what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right, require_secrets
from apps.dashboard.entry import act, go, page, show
from apps.dashboard.frame import Frame, frame_of
from apps.dashboard.staged import NEW_ROWS, Staged, staged_in
from apps.formation.change import check_config, set_config
from apps.releases.compare import difference
from apps.releases.create import newest_good, variables_of


@dataclass(frozen=True)
class Row:
    """One config var on the page; `value` is None while it is masked."""

    name: str
    value: str | None
    typed: str
    removed: bool


@page
def show_config(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """The form; sent to it, an edit that was looked at is taken up again."""
    frame, held = _open(actor, name)
    return _form(request, actor, frame, held, staged_in(request.POST))


@act
def reveal(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """One value in clear. By POST: no cache, history or neighbour's page can ask for it."""
    frame, held = _open(actor, name)
    staged = staged_in(request.POST)
    return _form(request, actor, frame, held, staged, revealed=request.POST.get("reveal", ""))


@act
def review(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """What would change, before it does."""
    frame, held = _open(actor, name)
    staged = staged_in(request.POST)
    changes = difference(held, staged.applied_to(held))
    if not changes.config_changed:
        problem = "That would change nothing. Fill in a new value, tick what is to go, or add one."
        return _form(request, actor, frame, held, staged, problem=problem)
    try:
        check_config(staged.changes)
    except Refused as error:
        return _form(request, actor, frame, held, staged, problem=error.message)
    return show(
        request,
        actor,
        "config_review",
        frame=frame,
        tab="config",
        difference=changes,
        staged=staged,
    )


@act
def apply(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    """All changes as one release."""
    frame, held = _open(actor, name)
    staged = staged_in(request.POST)
    try:
        release = set_config(actor, frame.app, staged.changes)
    except Refused as error:
        return _form(request, actor, frame, held, staged, problem=error.message)
    if release is None:
        return go(request, "config", name, notice="It was so already: nothing was changed.")
    return go(request, "release", name, release.version, notice=f"This makes {release.name}.")


def _open(actor: Actor, name: str) -> tuple[Frame, dict[str, str]]:
    frame = frame_of(actor, name, Right.OPERATE)
    require_secrets(actor)
    return frame, variables_of(newest_good(frame.app))


def _form(
    request: HttpRequest,
    actor: Actor,
    frame: Frame,
    held: Mapping[str, str],
    staged: Staged,
    *,
    revealed: str = "",
    problem: str = "",
) -> HttpResponse:
    rows = [
        Row(
            name=var,
            value=held[var] if var == revealed else None,
            typed=staged.values.get(var, ""),
            removed=var in staged.removed,
        )
        for var in sorted(held)
    ]
    new = [(var, value) for var, value in staged.values.items() if var not in held]
    return show(
        request,
        actor,
        "config",
        422 if problem else 200,
        frame=frame,
        tab="config",
        rows=rows,
        new=[*new, *[("", "")] * NEW_ROWS],
        problem=problem,
    )
