"""Making releases: the next number, the newest config plus a change, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.accounts.errors import Conflict
from apps.accounts.models import User
from apps.builds.models import Build
from apps.catalog.models import App
from apps.releases.models import UNFINISHED, Config, Release, ReleaseState
from apps.releases.vault import seal, unseal

WAIT = 30.0  # seconds a second writer waits for the first


@dataclass(frozen=True)
class Contents:
    """What a new release is made of."""

    build: Build | None
    variables: Mapping[str, str]
    description: str


Compose = Callable[[Release | None], Contents]
"""From the newest release that has not failed to the contents of the next one."""


def create_release(app: App, user: User | None, compose: Compose, *, wait: float = WAIT) -> Release:
    """The next release of `app`, `pending`.

    `compose` is called inside the transaction that takes the number, so no
    change made at the same time is lost. It may raise to give up.

    Args:
        wait: seconds to wait while another release is unfinished.

    Raises:
        Conflict: another one was still unfinished after that.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            with transaction.atomic():
                if not unfinished(app):
                    return _insert(app, user, compose(newest_good(app)))
        except IntegrityError:
            pass  # somebody took the number between our look and our write
        if time.monotonic() >= deadline:
            raise Conflict(
                f"Another release of {app.name} is still on its way. "
                f"Wait for it (`paas releases -a {app.name}`), then try again."
            )
        time.sleep(0.05)


def newest_good(app: App) -> Release | None:
    """The newest release that has not failed; a new config starts from it."""
    good = Release.objects.filter(app=app).exclude(state=ReleaseState.FAILED)
    return good.select_related("config", "build").order_by("-version").first()


def variables_of(release: Release | None) -> dict[str, str]:
    """The config vars of a release, in clear."""
    return unseal(release.config.sealed) if release else {}


def unfinished(app: App) -> bool:
    return Release.objects.filter(app=app, state__in=UNFINISHED).exists()


def _insert(app: App, user: User | None, contents: Contents) -> Release:
    newest = Release.objects.filter(app=app).aggregate(newest=Max("version"))["newest"] or 0
    return Release.objects.create(
        app=app,
        version=newest + 1,
        build=contents.build,
        config=Config.objects.create(app=app, sealed=seal(contents.variables)),
        user=User.objects.filter(pk=user.pk).first() if user else None,  # removed meanwhile?
        description=contents.description,
    )
