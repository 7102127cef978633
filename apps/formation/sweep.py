"""Finding what dead processes left: every row ends, and the runtime follows the database."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.builds.abandoned import clear
from apps.builds.log import End
from apps.builds.models import ACTIVE, BUILD_ARROWS, Build, BuildState
from apps.builds.paths import build_log
from apps.formation.failures import CANCELLED, WORKER_LOST, Failure
from apps.formation.models import CronRun, Helm, Removal, RunState
from apps.formation.queue import enqueue
from apps.formation.rollout import end_of, fail_release
from apps.releases.log import release_log
from apps.releases.models import UNFINISHED, Release, ReleaseState
from apps.source.repositories import archive_path, archives
from paas.leases import LeaseLost, move, unleased

logger = logging.getLogger(__name__)

REQUEUE_AFTER = timedelta(seconds=5)
ARCHIVE_LIMIT = timedelta(seconds=20)
"""A push whose gateway died before the archive was complete is given up after this time."""

_GATEWAY_LOST = Failure(
    what="The push was cut off before its files had arrived",
    fix="Nothing was changed. Push again.",
)


def sweep() -> None:
    """One round; several at once do no harm, as every move is conditional."""
    _end_lost_builds()
    _end_lost_pushes()
    _end_lost_releases()
    _close_release_logs()
    _remove_archives()
    _requeue()


def _end_lost_builds() -> None:
    lost = Build.objects.filter(
        unleased(), state__in=[BuildState.BUILDING, BuildState.RELEASING]
    ).select_related("app")
    for build in lost:
        _end_build(build, WORKER_LOST)


def _end_lost_pushes() -> None:
    """Pushes that were never queued, and those cancelled before a worker took them."""
    pending = Build.objects.filter(unleased(), state=BuildState.PENDING).select_related("app")
    for build in pending.filter(queued_at=None, created_at__lt=timezone.now() - ARCHIVE_LIMIT):
        _end_build(build, _GATEWAY_LOST)
    for build in pending.exclude(cancel_requested_at=None):
        _end_build(build, CANCELLED, BuildState.CANCELLED)


def end_push(build: Build, failure: Failure) -> None:
    """Settle a build that nobody works on."""
    _end_build(build, failure)


def _end_build(build: Build, failure: Failure, state: BuildState = BuildState.FAILED) -> None:
    """Settle a build that nobody works on, with the release it may have begun."""
    try:
        with transaction.atomic():
            move(
                build,
                BUILD_ARROWS,
                state,
                token=build.lease_token,
                failure=failure.to_json(),
                finished_at=timezone.now(),
            )
    except LeaseLost:
        return
    for release in Release.objects.filter(build=build, state__in=UNFINISHED):
        fail_release(release, failure)
    log = build_log(build)
    log.write(f"\n{failure.block()}\n")
    log.close(End(str(state)))
    archive_path(build.id).unlink(missing_ok=True)
    clear(build)
    enqueue("reconcile", build.app_id)


def _end_lost_releases() -> None:
    """Releases whose steersman died half-way; `pending` ones are queued again instead."""
    halfway = Release.objects.filter(
        state__in=[ReleaseState.RELEASING, ReleaseState.STARTING],
        updated_at__lt=timezone.now() - REQUEUE_AFTER,
    ).select_related("app", "build")
    for release in halfway:
        if Helm.objects.filter(unleased(), app=release.app).exists() and not _in_push(release):
            fail_release(release, WORKER_LOST)
            enqueue("reconcile", release.app_id)


def _close_release_logs() -> None:
    """The commit may have been the last thing a worker did: its log still needs an end."""
    fresh = timezone.now() - timedelta(minutes=2)
    final = Release.objects.filter(updated_at__gt=fresh).exclude(state__in=UNFINISHED)
    settled = final.filter(updated_at__lt=timezone.now() - REQUEUE_AFTER).select_related("app")
    for release in settled:
        if release_log(release).end() is None:
            release_log(release).close(end_of(release))
        build = release.build
        if release.current and build is not None and build_log(build).end() is None:
            build_log(build).close(end_of(release))


def _remove_archives() -> None:
    """Archives whose build has ended without its worker."""
    for archive in archives():
        ended = Build.objects.filter(pk=archive.stem).exclude(state__in=ACTIVE)
        if ended.filter(unleased() | Q(finished_at__lt=timezone.now() - REQUEUE_AFTER)).exists():
            archive.unlink(missing_ok=True)


def _requeue() -> None:
    """Send again what was queued but never taken: the message may be lost."""
    old = timezone.now() - REQUEUE_AFTER
    for build_id in Build.objects.filter(
        unleased(), state=BuildState.PENDING, queued_at__lt=old
    ).values_list("id", flat=True):
        enqueue("deploy", build_id)
    pending = Release.objects.filter(state=ReleaseState.PENDING, updated_at__lt=old)
    for release in pending.select_related("build"):
        if not _in_push(release):
            enqueue("release", release.id)
    # Behind what is wanted, or let go by somebody who died at the helm, perhaps after the commit.
    adrift = Q(wanted__gt=F("applied")) | Q(lease_expires_at__isnull=False)
    behind = Helm.objects.filter(unleased(), adrift).exclude(retry_at__gt=timezone.now())
    for app_id in behind.values_list("app_id", flat=True):
        enqueue("reconcile", app_id)
    due = CronRun.objects.filter(unleased(), state=RunState.PENDING, created_at__lt=old)
    for run_id in due.values_list("id", flat=True):
        enqueue("cron", run_id)
    for app_id in Removal.objects.filter(created_at__lt=old).values_list("app_id", flat=True):
        enqueue("remove", app_id)


def _in_push(release: Release) -> bool:
    """Whether a push owns this release: then the build's lease decides, not the helm's."""
    build = release.build
    return build is not None and build.state in ACTIVE
