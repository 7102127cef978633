"""State machines whose rows are worked on by processes that may die.

A row is moved by one conditional UPDATE and by nothing else: it names the
state it must be in and the lease token the mover holds, and counts as done
only if exactly one row changed (`select_for_update` does nothing on SQLite).
Each claim raises the token, so whoever was thought dead can change nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any

from django.db import Error, close_old_connections, connections, models
from django.db.models import F, Q
from django.utils import timezone

logger = logging.getLogger(__name__)

LEASE_SECONDS = 10.0
RENEW_EVERY = 2.0
_TICK = 0.25

Arrows = Mapping[str, Collection[str]]
"""State → the states it may move to."""

HOLDER = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
"""This process, as leases name it."""


class LeaseLost(Exception):
    """Somebody else has taken the row over: stop at once and touch nothing."""


class Leased(models.Model):
    """A row that one process at a time works on."""

    lease_token = models.PositiveBigIntegerField(default=0)
    lease_holder = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


def unleased() -> Q:
    """Rows that nobody alive works on."""
    return Q(lease_expires_at=None) | Q(lease_expires_at__lt=timezone.now())


def claim(model: type[models.Model], pk: object, **where: object) -> int | None:
    """Take the lease of a row that nobody holds and that matches `where`.

    Returns:
        The new token, or None if the row is held, gone or does not match.
    """
    rows = model._default_manager.filter(unleased(), pk=pk, **where)
    changed = rows.update(
        lease_token=F("lease_token") + 1, lease_holder=HOLDER, lease_expires_at=_expiry()
    )
    if changed != 1:
        return None
    token = model._default_manager.values_list("lease_token", flat=True).get(
        pk=pk, lease_holder=HOLDER
    )
    return int(token)


def renew(model: type[models.Model], pk: object, token: int) -> bool:
    """Keep a lease; False when it is no longer ours."""
    rows = model._default_manager.filter(pk=pk, lease_token=token)
    return rows.update(lease_expires_at=_expiry()) == 1


def release(model: type[models.Model], pk: object, token: int) -> None:
    """Give a lease back."""
    model._default_manager.filter(pk=pk, lease_token=token).update(
        lease_holder="", lease_expires_at=None
    )


def move(
    row: models.Model, arrows: Arrows, to: str, *, token: int | None = None, **fields: Any
) -> None:
    """Move `row` from the state it has in memory to `to`, and set `fields` with it.

    Args:
        token: the lease the caller holds; None for moves that need none.

    Raises:
        LeaseLost: the row is no longer in that state or the token is stale.
        ValueError: there is no such arrow: a mistake of ours.
    """
    state = str(row.state)  # type: ignore[attr-defined]
    if to not in arrows[state]:
        raise ValueError(f"{type(row).__name__}: no arrow {state} -> {to}")
    rows = type(row)._default_manager.filter(pk=row.pk, state=state)
    if token is not None:
        rows = rows.filter(lease_token=token)
    if rows.update(state=to, **fields) != 1:
        raise LeaseLost(f"{type(row).__name__} {row.pk} is no longer {state} under our lease")
    for name, value in {"state": to, **fields}.items():
        setattr(row, name, value)


class Heartbeat:
    """Renews leases in a thread of its own while the work goes on.

    `lost` is set as soon as a lease is no longer ours, or may not be: the
    database was away for as long as one lasts. `also` is called at each beat
    (it looks for a wish to cancel).
    """

    def __init__(self, also: Callable[[], None] | None = None) -> None:
        self.lost = threading.Event()
        self._also = also
        self._leases: list[tuple[type[models.Model], object, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def keep(self, model: type[models.Model], pk: object, token: int) -> None:
        """Renew this lease from now on."""
        self._leases.append((model, pk, token))

    def check(self) -> None:
        """
        Raises:
            LeaseLost: one of the leases is gone.
        """
        if self.lost.is_set():
            raise LeaseLost("the lease was taken over")

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(_TICK):
            try:
                close_old_connections()
                if self._also is not None:
                    self._also()
                if time.monotonic() - renewed >= RENEW_EVERY:
                    self._renew()
                    renewed = time.monotonic()
            except Error as error:
                logger.warning("a lease cannot be renewed: %s", error)
            if time.monotonic() - renewed > LEASE_SECONDS:
                self.lost.set()
        connections.close_all()

    def _renew(self) -> None:
        if not all(renew(model, pk, token) for model, pk, token in list(self._leases)):
            self.lost.set()


def _expiry() -> Any:
    return timezone.now() + timedelta(seconds=LEASE_SECONDS)
