"""Finding releases."""

from __future__ import annotations

import uuid

from django.db import models

from apps.accounts.errors import NotFound
from apps.catalog.models import App
from apps.releases.models import Release, ReleaseState


def releases_of(app: App) -> models.QuerySet[Release]:
    return Release.objects.filter(app=app).select_related("build", "config", "user", "app")


def listed(app: App) -> models.QuerySet[Release]:
    """The releases of `app` as lists show them: without configs, plans and phases."""
    unread = ("config", "build__plan", "build__phases", "build__failure")
    shown: models.QuerySet[Release] = app.releases.select_related("build", "user")
    return shown.defer(*unread)


def current_release(app: App) -> Release | None:
    """The release the runtime is to make true."""
    return releases_of(app).filter(current=True).first()


def get_release(app: App, key: str) -> Release:
    """A release by id, version ("7" or "v7") or "latest".

    Raises:
        NotFound: there is none such.
    """
    found = _lookup(app, key)
    if found is None:
        raise NotFound(f"Couldn't find that release. `paas releases -a {app.name}` lists them.")
    return found


def is_eligible(release: Release) -> bool:
    """Whether one can roll back to it: it has run, and its artifact is still kept."""
    return (
        release.state == ReleaseState.SUCCEEDED
        and release.build is not None
        and release.build.artifact is not None
    )


def _lookup(app: App, key: str) -> Release | None:
    releases = releases_of(app)
    if key == "latest":
        return releases.first()
    number = key.removeprefix("v")
    if number.isascii() and number.isdecimal() and len(number) < 10:
        return releases.filter(version=int(number)).first()
    try:
        return releases.filter(id=uuid.UUID(key)).first()
    except ValueError:
        return None
