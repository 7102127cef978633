"""How apps are, in a word: from their releases, their builds and what runs."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q

from apps.builds.models import ACTIVE, Build
from apps.catalog.models import App
from apps.formation.runtime import get_runtime
from apps.releases.models import UNFINISHED, Release
from paas.runtimes.base import ProcessState, ProcessStatus


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
    return _overviews([app], get_runtime().observe(str(app.id)))[0]


def overviews(apps: Sequence[App]) -> list[Overview]:
    """Many apps, with as many queries as one takes."""
    return _overviews(apps, get_runtime().observe()) if apps else []


def _overviews(apps: Sequence[App], observed: Iterable[ProcessStatus]) -> list[Overview]:
    current, pending = _releases(apps)
    builds = {build.app_id: build for build in _active_builds(apps)}
    processes: dict[str, list[ProcessState]] = defaultdict(list)
    for status in observed:
        processes[status.app_id].append(status.state)
    return [
        Overview(
            app=app,
            state=_state(
                app,
                current.get(app.pk),
                deploying=app.pk in pending or app.pk in builds,
                processes=processes[str(app.pk)],
            ),
            release=current.get(app.pk),
            pending=pending.get(app.pk),
            build=builds.get(app.pk),
        )
        for app in apps
    ]


def _releases(
    apps: Sequence[App],
) -> tuple[dict[uuid.UUID, Release], dict[uuid.UUID, Release]]:
    """By app: the current release, and the one that is on its way."""
    wanted = Q(current=True) | Q(state__in=UNFINISHED)
    rows = list(Release.objects.filter(wanted, app__in=apps))
    return (
        {row.app_id: row for row in rows if row.current},
        {row.app_id: row for row in rows if not row.is_final},
    )


def _active_builds(apps: Sequence[App]) -> Iterable[Build]:
    return Build.objects.filter(app__in=apps, state__in=ACTIVE).defer("plan", "phases")  # large


def _state(
    app: App, release: Release | None, *, deploying: bool, processes: Sequence[ProcessState]
) -> AppState:
    if deploying:
        return AppState.DEPLOYING
    if release is None or release.build_id is None:
        return AppState.NEVER_DEPLOYED
    if app.maintenance:
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
