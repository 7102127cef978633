"""Destroying an app: gone from the catalog at once, from the machine soon after."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import transaction

from apps.accounts.policy import Actor, Right, require
from apps.builds.builders.sweep import forget_app
from apps.builds.models import Build
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.helm import ensure_helm
from apps.formation.models import Helm, Removal
from apps.formation.queue import enqueue
from apps.formation.runtime import get_runtime
from apps.releases.models import Release
from apps.source.repositories import archive_path, delete_repository
from paas.sandbox import remove_tree

_going_on: set[uuid.UUID] = set()
"""Apps that this worker removes now: a cluster takes half a minute, and the sweep asks again."""
_BEYOND_ANY_LEASE = 1_000_000_000
"""Added to the last token: whoever still steers the app is refused from then on."""


def destroy(actor: Actor, app: App) -> None:
    """Delete `app` with all it has. What runs is stopped by the worker."""
    require(actor, Right.OWN, app)
    ensure_helm(app)
    app_id = app.id  # `delete` takes it from the object
    with transaction.atomic():
        token = Helm.objects.values_list("lease_token", flat=True).get(app=app)
        Removal.objects.create(
            app_id=app.id,
            app_number=app.number,
            name=app.name,
            token=token + _BEYOND_ANY_LEASE,
            files=_files_of(app),
        )
        record_app(actor, "app.destroy", app)
        app.delete()
    enqueue("remove", app_id)


def remove(app_id: str) -> None:
    """Clear the machine of a destroyed app; may be repeated."""
    removal = Removal.objects.filter(pk=app_id).first()
    if removal is None or removal.app_id in _going_on:
        return
    _going_on.add(removal.app_id)
    try:
        _remove(removal)
    finally:
        _going_on.discard(removal.app_id)


def _remove(removal: Removal) -> None:
    get_runtime().remove(str(removal.app_id), removal.token)
    delete_repository(removal.app_id)
    forget_app(settings.INSTANCE, removal.app_number)
    for name in removal.files:
        path = Path(settings.INSTANCE.home) / name
        remove_tree(path)
    removal.delete()


def _files_of(app: App) -> list[str]:
    """What rows of the app own on disk, relative to the instance's home."""
    instance = settings.INSTANCE
    paths = [instance.app_logs / str(app.id)]
    for build_id in Build.objects.filter(app=app).values_list("id", flat=True):
        paths += [
            instance.artifacts / str(build_id),
            instance.build_dirs / str(build_id),
            instance.build_logs / f"{build_id}.log",
            archive_path(build_id),
        ]
    for release_id in Release.objects.filter(app=app).values_list("id", flat=True):
        paths.append(instance.release_logs / f"{release_id}.log")
    return [str(path.relative_to(instance.home)) for path in paths]
