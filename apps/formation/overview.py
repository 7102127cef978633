"""How apps are, in a word: from their releases, their builds and what runs."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Q, QuerySet

from apps.builds.models import ACTIVE, Build
from apps.catalog.models import App
from apps.formation.runtime import get_runtime
from apps.releases.models import UNFINISHED, Release
from paas.runtimes.base import ProcessState, ProcessStatus

Facts = Mapping[str, Any]


class AppState(StrEnum):
    """The one word for an app; of several that fit, the first one here."""

    DEPLOYING = "deploying"
    NEVER_DEPLOYED = "never deployed"
    MAINTENANCE = "maintenance"
    CRASHED = "crashed"
    STARTING = "starting"
    UP = "up"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Overview:
    """An app with its state, the release that runs, and what is under way."""

    app: App
    state: AppState
    release: Release | None = None
    pending: Release | None = None
    build: Build | None = None


def overview(app: App) -> Overview:
    """One app; asks the runtime about it alone."""
    wanted = Q(current=True) | Q(state__in=UNFINISHED)
    releases = list(Release.objects.filter(wanted, app=app))
    current = next((one for one in releases if one.current), None)
    pending = next((one for one in releases if not one.is_final), None)
    active = Build.objects.filter(app=app, state__in=ACTIVE)
    build = active.defer("plan", "phases").first()  # which are large
    state = _state(
        deploying=bool(pending or build),
        deployed=current is not None and current.build_id is not None,
        maintenance=app.maintenance,
        processes=[one.state for one in get_runtime().observe(str(app.id)) if _stays(one)],
    )
    return Overview(app, state, current, pending, build)


@dataclass(frozen=True)
class Line:
    """What a list says of an app; of its current release `version`, `description`, `created_at`."""

    name: str
    owner: str
    state: AppState
    release: Facts | None


def lines(apps: QuerySet[App]) -> list[Line]:
    """Many apps: three queries and one look at the runtime."""
    rows = list(apps.values("id", "name", "owner__email", "maintenance"))
    ids = [row["id"] for row in rows]
    current, deploying = _releases(ids)
    deploying.update(_active_builds(ids))
    processes: dict[str, list[ProcessState]] = defaultdict(list)
    for status in get_runtime().observe(*map(str, ids)) if ids else ():
        if _stays(status):
            processes[status.app_id].append(status.state)
    return [
        Line(
            name=row["name"],
            owner=row["owner__email"],
            state=_state(
                deploying=row["id"] in deploying,
                deployed=row["id"] in current and current[row["id"]]["build_id"] is not None,
                maintenance=row["maintenance"],
                processes=processes[str(row["id"])],
            ),
            release=current.get(row["id"]),
        )
        for row in rows
    ]


def _releases(apps: Sequence[uuid.UUID]) -> tuple[dict[uuid.UUID, Facts], set[uuid.UUID]]:
    """The current release of each app, and the apps that have one on its way."""
    wanted = Q(current=True) | Q(state__in=UNFINISHED)
    facts = ("app_id", "build_id", "version", "description", "state", "current", "created_at")
    rows = list(Release.objects.filter(wanted, app__in=apps).order_by().values(*facts))
    return (
        {row["app_id"]: row for row in rows if row["current"]},
        {row["app_id"] for row in rows if row["state"] in UNFINISHED},
    )


def _active_builds(apps: Sequence[uuid.UUID]) -> Iterable[uuid.UUID]:
    active = Build.objects.filter(app__in=apps, state__in=ACTIVE).order_by()
    return active.values_list("app_id", flat=True)


def _stays(status: ProcessStatus) -> bool:
    """Whether it is one that should always run: a one-off says nothing of the app's state."""
    return status.type not in ("cron", "release", "run")


def _state(
    *, deploying: bool, deployed: bool, maintenance: bool, processes: Sequence[ProcessState]
) -> AppState:
    if deploying:
        return AppState.DEPLOYING
    if not deployed:
        return AppState.NEVER_DEPLOYED
    if maintenance:
        return AppState.MAINTENANCE
    for process_state, word in _WORDS.items():
        if process_state in processes:
            return word
    return AppState.STOPPED


_WORDS = {
    ProcessState.CRASHED: AppState.CRASHED,
    ProcessState.DOWN: AppState.CRASHED,
    ProcessState.STARTING: AppState.STARTING,
    ProcessState.UP: AppState.UP,
}
