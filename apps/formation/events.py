"""What the platform tells an app's log: `paas[api]: Release v7 created by x@y`."""

from __future__ import annotations

from django.conf import settings

from apps.accounts.models import User
from apps.catalog.models import App
from apps.logs.platform import emit
from apps.releases.models import Release


def tell_api(app: App, text: str) -> None:
    """An act of somebody, as Heroku's `heroku[api]` lines."""
    emit(settings.INSTANCE, str(app.id), "paas", "api", text)


def tell_process(app: App, process: str, text: str) -> None:
    """Something the platform did to a process."""
    emit(settings.INSTANCE, str(app.id), "paas", process, text)


def tell_output(app: App, process: str, line: str) -> None:
    """A line that a one-off of the platform's (the release phase) printed."""
    emit(settings.INSTANCE, str(app.id), "app", process, line)


def tell_release(release: Release) -> None:
    tell_api(release.app, f"{release.description} by user {_who(release.user)}")
    tell_api(release.app, f"Release {release.name} created by user {_who(release.user)}")


def _who(user: User | None) -> str:
    return user.email if user else "paas"
