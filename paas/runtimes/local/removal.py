"""`remove`: an app goes, with all that runs of it."""

from __future__ import annotations

import time
from dataclasses import replace

from paas import sandbox
from paas.runtimes.base import RuntimeFailure
from paas.runtimes.local.parts import Parts
from paas.runtimes.local.state import Phase, is_alive
from paas.runtimes.local.tending import tend_app

_POLL = 0.05
_PATIENCE = 15.0  # seconds after the last SIGKILL


def remove(parts: Parts, app_id: str, token: int) -> None:
    """The body of `Runtime.remove`; returns when all of it is gone.

    Raises:
        StaleToken: a higher token has been seen for this app.
        RuntimeFailure: something would not end, or nobody is there to end it.
    """
    if not parts.store.folder(app_id).exists():
        return
    _mark(parts, app_id, token)
    deadline = time.monotonic() + parts.stop_timeout + _PATIENCE
    while parts.store.folder(app_id).exists():
        if time.monotonic() > deadline:
            raise RuntimeFailure(
                "Some processes of the app have not ended, even after SIGKILL. It is tried again."
            )
        tend_app(parts, app_id)
        time.sleep(_POLL)


def _mark(parts: Parts, app_id: str, token: int) -> None:
    """From here on `tend` would bring it to its end as well."""
    with parts.store.locked(app_id) as slot:
        state = slot.state
        state.check(token)
        for record in state.among(Phase.CHILD):
            if is_alive(record.owner) and record.pid:
                sandbox.kill(record.pid)
        going = state.among(
            *(Phase.STARTING, Phase.LIVE, Phase.DRAINING),
            *(Phase.ONE_OFF, Phase.AWAITING, Phase.SESSION),
        )
        state = state.put(*(record.enter(Phase.STOPPING) for record in going))
        state = state.drop(*(record.id for record in state.among(Phase.CHILD)))
        slot.save(replace(state, token=token, removed=True))
        parts.mark_pending(app_id)
    parts.drop_hosts(app_id, set(state.hosts))
