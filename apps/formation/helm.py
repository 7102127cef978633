"""Steering an app: one at a time tells the runtime what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from apps.accounts.errors import Conflict
from apps.catalog.models import App
from apps.formation.models import Helm
from paas import leases
from paas.leases import Heartbeat, LeaseLost

STEER_WAIT = 30.0  # seconds
UNTROUBLED = {"failures": 0, "retry_at": None, "trouble": None}
"""What a helm says when no reconcile has failed, or after a change that may have helped."""


@dataclass(frozen=True)
class Steering:
    """The right to call the runtime for one app, until the lease is lost."""

    app: App
    token: int
    heartbeat: Heartbeat

    def check(self) -> None:
        """
        Raises:
            LeaseLost: somebody else steers now.
        """
        self.heartbeat.check()

    def confirm(self) -> None:
        """Inside a transaction: make it fail unless the lease is still ours.

        Raises:
            LeaseLost: somebody else steers now.
        """
        if not leases.renew(Helm, self.app.pk, self.token):
            raise LeaseLost(f"somebody else steers {self.app.name} now")


@contextmanager
def steering(app: App, *, wait: float = STEER_WAIT) -> Iterator[Steering]:
    """Take the helm of `app`, waiting up to `wait` seconds for whoever has it.

    Raises:
        Conflict: somebody else had it for all that time.
    """
    ensure_helm(app)
    token = _claim(app, wait)
    heartbeat = Heartbeat()
    heartbeat.keep(Helm, app.pk, token)
    try:
        with heartbeat:
            yield Steering(app, token, heartbeat)
    finally:
        leases.release(Helm, app.pk, token)


def ensure_helm(app: App) -> Helm:
    return Helm.objects.get_or_create(app=app)[0]


def want_change(app: App) -> None:
    """Note that the runtime lags behind what should run; call inside the transaction."""
    ensure_helm(app)
    Helm.objects.filter(app=app).update(wanted=F("wanted") + 1, **UNTROUBLED)


def next_one_off(app: App) -> int:
    """A number for `run.N`, never given twice."""
    with transaction.atomic():
        ensure_helm(app)
        Helm.objects.filter(app=app).update(one_offs=F("one_offs") + 1)
        return Helm.objects.get(app=app).one_offs


def _claim(app: App, wait: float) -> int:
    deadline = time.monotonic() + wait
    while True:
        token = leases.claim(Helm, app.pk)
        if token is not None:
            return token
        if time.monotonic() >= deadline:
            raise Conflict(
                f"Another change of {app.name} is still being carried out. Try again in a moment."
            )
        time.sleep(0.05)
