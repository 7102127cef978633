"""Giving back disk: artifacts that no kept release needs, logs and dependencies nobody uses."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, Q
from django.utils import timezone

from apps.builds.builders.sweep import sweep_dependencies
from apps.builds.models import ACTIVE, Build
from apps.catalog.models import App
from apps.releases.models import UNFINISHED, Release, ReleaseState
from paas.nix.roots import Roots
from paas.nix.sweep import sweep_store
from paas.sandbox import remove_tree

KEPT_RELEASES = 10
"""Releases of an app one can roll back to; their artifacts stay."""
ORPHAN_AGE = timedelta(hours=1)


def enforce_all() -> None:
    """One round over everything; may be repeated and interrupted."""
    for app in App.objects.all():
        enforce(app)
    _remove_orphans()
    sweep_dependencies(settings.INSTANCE)
    _let_go_of_roots()
    sweep_store(settings.INSTANCE)


def enforce(app: App) -> None:
    """Forget the artifacts that none of the app's kept releases needs."""
    needed = _needed_builds(app)
    old = Build.objects.filter(app=app, artifact__isnull=False).exclude(state__in=ACTIVE)
    for build in old.exclude(pk__in=needed):
        # First the row, then the folder: a release must never seem kept when it is not. And not
        # if a rollback has begun meanwhile that needs it.
        held = Release.objects.filter(Q(current=True) | Q(state__in=UNFINISHED), build=build)
        if not Build.objects.filter(~Exists(held), pk=build.pk).update(artifact=None):
            continue
        remove_tree(Path(settings.INSTANCE.artifacts) / str(build.id))
        Roots.of(settings.INSTANCE).remove(str(build.id))


def _needed_builds(app: App) -> set[uuid.UUID]:
    releases = Release.objects.filter(app=app, build__isnull=False)
    kept = releases.filter(state=ReleaseState.SUCCEEDED).order_by("-version")[:KEPT_RELEASES]
    needed = set(kept.values_list("build_id", flat=True))
    needed.update(releases.filter(current=True).values_list("build_id", flat=True))
    needed.update(releases.filter(state__in=UNFINISHED).values_list("build_id", flat=True))
    return {build_id for build_id in needed if build_id is not None}


def _remove_orphans() -> None:
    """Artifacts and build folders that no row owns, once they are old enough to be nobody's."""
    owners = {str(pk) for pk in Build.objects.values_list("id", flat=True)}
    limit = (timezone.now() - ORPHAN_AGE).timestamp()
    for folder in (settings.INSTANCE.artifacts, settings.INSTANCE.build_dirs):
        for path in Path(folder).glob("*"):
            if path.name not in owners and path.stat().st_mtime < limit:
                remove_tree(path)


def _let_go_of_roots() -> None:
    """Roots in the Nix store of builds that are gone with their app, or have let go of it."""
    roots, now = Roots.of(settings.INSTANCE), timezone.now().timestamp()
    holders = Build.objects.filter(Q(artifact__isnull=False) | Q(state__in=ACTIVE))
    held = {str(pk) for pk in holders.values_list("id", flat=True)}
    for name in roots.all().keys() - held:
        if roots.age(name, now) > ORPHAN_AGE.total_seconds():
            roots.remove(name)
