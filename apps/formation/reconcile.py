"""Making the runtime equal to `current_release`, whatever happened to either."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.errors import Conflict
from apps.catalog.models import App
from apps.formation.events import tell_api, tell_process
from apps.formation.helm import UNTROUBLED, steering
from apps.formation.models import Helm
from apps.formation.queue import enqueue
from apps.formation.runtime import get_runtime
from apps.formation.spec import spec_of
from apps.releases.models import Release
from apps.releases.queries import current_release
from paas import faults
from paas.leases import LeaseLost
from paas.runtimes.base import AppSpec, NotHealthy, RuntimeFailure, StaleToken

logger = logging.getLogger(__name__)

_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(minutes=5)


def reconcile(app_id: str, *, wait: float = 2.0) -> bool:
    """Apply what should run, once more.

    Args:
        wait: seconds to wait for somebody else who steers the app; whoever gives
            up is called again by the sweep.

    Returns:
        Whether the runtime now equals the current release.
    """
    app = App.objects.filter(pk=app_id).first()
    if app is None:
        return True
    if Helm.objects.filter(app=app, retry_at__gt=timezone.now()).exists():
        return False
    try:
        with steering(app, wait=wait) as helm:
            return _apply(app, helm.token)
    except (Conflict, LeaseLost, StaleToken):
        return False


def reconcile_all() -> None:
    """Every app that is not as its release says, and whose helm is free.

    The runtime is asked about all of them at once; the others are being
    changed right now.
    """
    _mend_drifted(_specs(_live()))


def mend(app_id: str) -> None:
    """The same for one app, of which the runtime says that somebody may have changed it."""
    _mend_drifted(_specs(_live().filter(app_id=app_id)))


def mend_disturbed() -> None:
    """Queue the apps that others have touched, as soon as the runtime says so."""
    for app_id, one in get_runtime().disturbed().items():
        app = App.objects.filter(pk=app_id).first()
        if app is None:
            continue
        if one.often:
            tell_api(
                app,
                f"Changed again and again by {one.by or 'somebody else'}: for a while it is "
                "mended once a minute only",
            )
        enqueue("mend", app_id)


def _mend_drifted(specs: Iterator[AppSpec]) -> None:
    for app_id, what in get_runtime().drift(specs).items():
        app = App.objects.filter(pk=app_id).first()
        if app is not None and reconcile(app_id, wait=0.0) and what:
            tell_api(app, f"Changed by somebody else and mended: {what}")


def _live() -> QuerySet[Release]:
    return Release.objects.filter(current=True, build__isnull=False)


def _specs(live: QuerySet[Release]) -> Iterator[AppSpec]:
    """One at a time: a thousand specs are not held at once."""
    for release in live.select_related("app", "build", "config").iterator(chunk_size=100):
        with suppress(RuntimeFailure):  # applying it says why
            yield spec_of(release)


def _apply(app: App, token: int) -> bool:
    wanted = Helm.objects.values_list("wanted", flat=True).get(app=app)
    release = current_release(app)
    faults.point("reconcile.start")
    if release is not None and release.build is not None:
        try:
            for _ in get_runtime().apply(spec_of(release), token):
                pass
        except NotHealthy as error:
            _back_off(app, error)
            return False
        except StaleToken:
            raise
        except RuntimeFailure as error:
            logger.warning("%s could not be reconciled: %s", app, error)
            _back_off(app, NotHealthy("api", str(error).rstrip(".")))
            return False
    Helm.objects.filter(app=app, applied__lt=wanted).update(applied=wanted)
    Helm.objects.filter(app=app, failures__gt=0).update(**UNTROUBLED)
    return True


def _back_off(app: App, error: NotHealthy) -> None:
    """Try again later and later: what exits at once would otherwise be started every second."""
    failures = Helm.objects.values_list("failures", flat=True).get(app=app)
    what = "Could not be brought up to date" if error.process == "api" else "Could not be started"
    delay = min(_FIRST_RETRY * 2**failures, _LONGEST_RETRY)
    tell_process(
        app,
        error.process,
        f"{what}: {error.reason}. Next try in {delay.seconds} seconds",
    )
    Helm.objects.filter(app=app, failures=failures).update(
        failures=failures + 1,
        retry_at=timezone.now() + delay,
        trouble={"process": error.process, "reason": error.reason},
    )
