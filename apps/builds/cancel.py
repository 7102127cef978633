"""Cancelling a build: a wish in its row, which the worker's heartbeat sees within a second."""

from __future__ import annotations

from django.utils import timezone

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right, require
from apps.builds.models import ACTIVE, Build
from apps.catalog.manage import record_app


def cancel_build(actor: Actor, build: Build) -> Build:
    """Wish that `build` ends; wishing twice is fine.

    Raises:
        Refused: it has ended already.
    """
    require(actor, Right.DEPLOY, build.app)
    wished = Build.objects.filter(pk=build.pk, state__in=ACTIVE).update(
        cancel_requested_at=timezone.now()
    )
    if not wished:
        raise Refused(f"Build {build.id} has ended already ({build.state}).")
    record_app(actor, "build.cancel", build.app, build=str(build.id))
    build.refresh_from_db()
    return build


def cancel_wished(build: Build) -> bool:
    return Build.objects.filter(pk=build.pk).exclude(cancel_requested_at=None).exists()
