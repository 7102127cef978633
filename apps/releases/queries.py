"""Finding releases."""

from __future__ import annotations

import uuid

from django.db import models

from apps.accounts.errors import NotFound
from apps.catalog.models import App
from apps.releases.models import Release, ReleaseState


def releases_of(app: App) -> models.QuerySet[Release]:
    return Release.objects.filter(app=app).select_related("build", "config", "user", "app")


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
    return may_return(release.state, release.build.artifact if release.build else None)


def may_return(state: str, artifact: object) -> bool:
    """`is_eligible` by a release's state and its build's artifact."""
    return state == ReleaseState.SUCCEEDED and artifact is not None


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
