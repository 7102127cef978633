"""Sees at once what others do to our objects, and says whose app to look at.

One watch a kind over all of ours. What others do is told from what we do by
the field managers; that something is gone may be our own doing, so whoever is
told looks first. A foreigner who does it again and again is not chased.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping

from paas.runtimes.base import Disturbance, RuntimeFailure
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.feed import Feed
from paas.runtimes.kubernetes.kinds import (
    AUTOSCALER,
    BUDGET,
    CRON_JOB,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    MIDDLEWARE,
    NAMESPACE,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from paas.runtimes.kubernetes.names import (
    APP,
    MANAGER,
    OURS,
    PART,
    SCALE_MANAGER,
    Object,
    foreign_writers,
)
from paas.runtimes.kubernetes.settings import ClusterSettings

WATCHED = (
    *(NAMESPACE, SERVICE_ACCOUNT, SERVICE, NETWORK_POLICY, DEPLOYMENT),
    *(BUDGET, AUTOSCALER, CRON_JOB),
)
SETTLE_SECONDS = 0.3
"""Who deletes five things is told of once."""
MOST = 5
WINDOW_SECONDS = 60.0
"""An app that was told of `MOST` times within the window is left to the regular reconcile."""
_OUR_MANAGERS = frozenset({MANAGER, SCALE_MANAGER})
_SECRETS = f"{OURS},{PART} notin (environment,order)"
"""Environments come and go with releases, and without one no pod starts: a rollout sees that."""

Tell = Callable[[Mapping[str, Disturbance]], bool]
"""Is given what was found; False asks for another call."""


class Guard:
    """Watches until closed.

    Args:
        clock: in seconds, for the window.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        client: Client,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._client, self._tell, self._clock = settings, client, tell, clock
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}  # app id → who
        self._written: dict[str, str] = {}  # uid → when a foreigner wrote last
        self._told: dict[str, deque[float]] = defaultdict(deque)
        self._left: dict[str, float] = {}  # app id → until when nothing is told of it
        self._leaving: set[str] = set()
        self._closed = threading.Event()
        self._feeds: list[Feed] = []

    def start(self) -> None:
        """Watch in the background, as soon as the cluster answers."""
        threading.Thread(target=self._run, name="guard", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for feed in self._feeds:
            feed.close()

    def notice(self, kind: Kind, what: str, body: Object) -> None:
        """One event of a watch."""
        app_id = (body["metadata"].get("labels") or {}).get(APP)
        if not app_id or what == "ADDED" or self._leaves(kind, what, body, str(app_id)):
            return
        by = ""
        if what == "MODIFIED":
            by = self._foreigner(body)
            if not by:
                return
        else:
            self._written.pop(body["metadata"]["uid"], None)
        with self._lock:
            self._found[str(app_id)] = self._found.get(str(app_id)) or by

    def _leaves(self, kind: Kind, what: str, body: Object, app_id: str) -> bool:
        """Whether the app's namespace is going, with all that is in it: its end is told, once."""
        if kind is NAMESPACE:
            going = what == "MODIFIED" and "deletionTimestamp" in body["metadata"]
            (self._leaving.add if going else self._leaving.discard)(app_id)
        return app_id in self._leaving

    def flush(self) -> None:
        """Tell what was found since the last call."""
        with self._lock:
            found, self._found = self._found, {}
        told = {}
        for app_id, by in found.items():
            one = self._weighed(app_id, by)
            if one is not None:
                told[app_id] = one
        if told and not self._tell(told):
            with self._lock:
                self._found = found | self._found

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._watch()
                break
            except RuntimeFailure:
                self._closed.wait(WINDOW_SECONDS / 10)
        while not self._closed.wait(SETTLE_SECONDS):
            self.flush()

    def _watch(self) -> None:
        """
        Raises:
            RuntimeFailure: the cluster does not answer.
        """
        ways = [HTTP_ROUTE] if self._settings.gateway else [INGRESS]
        if self._client.serves(MIDDLEWARE) and not self._settings.gateway:
            ways.append(MIDDLEWARE)
        feeds = [
            Feed(self._client, kinds, labels=labels, keep=_bare, on_change=self.notice)
            for kinds, labels in (((*WATCHED, *ways), OURS), ((SECRET,), _SECRETS))
        ]
        for feed in feeds:
            feed.start()
        self._feeds = feeds

    def _foreigner(self, body: Object) -> str:
        """Who wrote after us, if that is news."""
        others = foreign_writers(body)
        ours = [
            str(one.get("time", ""))
            for one in body["metadata"].get("managedFields") or []
            if one.get("manager") in _OUR_MANAGERS and not one.get("subresource")
        ]
        by = max(others, key=lambda manager: others[manager], default="")
        uid = body["metadata"]["uid"]
        if not by or others[by] < max(ours, default="") or self._written.get(uid) == others[by]:
            return ""
        self._written[uid] = others[by]
        return by

    def _weighed(self, app_id: str, by: str) -> Disturbance | None:
        now = self._clock()
        if self._left.get(app_id, 0.0) > now:
            return None
        times = self._told[app_id]
        while times and now - times[0] > WINDOW_SECONDS:
            times.popleft()
        times.append(now)
        if len(times) <= MOST:
            return Disturbance(by)
        self._left[app_id] = now + WINDOW_SECONDS
        times.clear()
        return Disturbance(by, often=True)


def _bare(body: Object) -> Object:
    """Enough to know whose it was: there are some ten for every app."""
    meta = body["metadata"]
    app_id = sys.intern(str((meta.get("labels") or {}).get(APP, "")))
    return {"metadata": {"uid": meta["uid"], "labels": {APP: app_id}}}
