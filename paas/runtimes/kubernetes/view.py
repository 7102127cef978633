"""The whole cluster as the observer sees it: one watch a kind, one follower a container's log."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from paas.runtimes.base import LogSource, ProcessStatus, RouteTable, RuntimeFailure
from paas.runtimes.kubernetes import logs, observing, slots
from paas.runtimes.kubernetes.board import Board
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.errors import ApiError
from paas.runtimes.kubernetes.feed import Feed
from paas.runtimes.kubernetes.guard import Guard
from paas.runtimes.kubernetes.kinds import DEPLOYMENT, EVENT, POD, REPLICASET, Kind
from paas.runtimes.kubernetes.names import APP, INDEX, OURS, PROCESS, Object
from paas.runtimes.kubernetes.objects import WAITS
from paas.runtimes.kubernetes.settings import ClusterSettings
from paas.runtimes.kubernetes.verdict import containers_of, uid_of

logger = logging.getLogger(__name__)

MOST_FOLLOWERS = 1000
"""Logs that are read at once; each is a connection and a thread."""
_QUEUED = 20_000
"""Lines that may wait for the observer; beyond, the cluster keeps them."""
_PAUSE = 1.0
_SETTLED = 0.5
"""Seconds after which the API tells what the kubelet, who gives out the logs, knew before."""


@dataclass(frozen=True)
class Line:
    """One line for an app's log.

    Args:
        process: "web.1".
        key: which container said it, `stamp` when: a follower goes on after these.
        platform: said by Kubernetes, not by the app.
    """

    app_id: str
    process: str
    text: str
    time: datetime
    key: str = ""
    stamp: str = ""
    platform: bool = False


@dataclass(frozen=True)
class _Log:
    """What one start of a container prints; `previous`: it has ended, and the next one began."""

    pod: Object
    container: str
    key: str
    previous: bool


@dataclass
class _Follower:
    """Reads one log in a thread of its own; `outrun`: it got that of the next start."""

    log: _Log
    process: str
    thread: threading.Thread | None = None
    done: threading.Event = field(default_factory=threading.Event)
    outrun: bool = False


class ClusterView:
    """`paas.observer.watch.Observed` for a cluster, and the source of its apps' lines.

    Args:
        board: where the others read what is seen here.
    """

    def __init__(self, settings: ClusterSettings, board: Board | None = None) -> None:
        self._prefix = settings.namespace_prefix
        self._client = Client(settings.patience)
        self._board = board
        self._feed = Feed(self._client, (DEPLOYMENT, REPLICASET, POD), labels=OURS, keep=trimmed)
        self._warnings = Feed(
            self._client,
            (EVENT,),
            fields="type=Warning",
            keep=_bare_event,
            on_change=self._warn,
        )
        self._guard = Guard(settings, self._client, board.tell_disturbed) if board else None
        self._lock = threading.Lock()
        self._started = False
        self._seen = -1
        self._statuses: list[ProcessStatus] = []
        self._followers: dict[str, _Follower] = {}
        self._current: Set[str] = frozenset()
        self._queue: queue.Queue[Line] = queue.Queue(_QUEUED)
        self._full = False

    # --- Observed -----------------------------------------------------------------
    def observe(self, *app_ids: str) -> list[ProcessStatus]:
        """All processes, from memory."""
        self._start()
        news = self._feed.wait(0, -1)
        if news != self._seen:
            found = [self._feed.objects(kind) for kind in (DEPLOYMENT, REPLICASET, POD)]
            self._statuses = observing.statuses(*found)
            self._seen = news
        if self._board is not None and self._feed.silence() is None:
            self._board.write(self._statuses)
        return [one for one in self._statuses if not app_ids or one.app_id in app_ids]

    def log_sources(self) -> list[LogSource]:
        return []

    def routes(self) -> RouteTable:
        return RouteTable({}, {})  # the ingress controller keeps its own access log

    # --- lines --------------------------------------------------------------------
    def follow(self, marks: Callable[[str], Mapping[str, str] | None]) -> None:
        """Read the logs of the containers that run.

        Args:
            marks: an app's id → how far each container's was read; None for an
                app that has no log here.
        """
        if not self._started:
            return
        pods = self._feed.objects(POD)
        readable = {log.key: log for pod in pods for log in _readable(pod)}
        self._current = readable.keys()
        self._forget()
        new = [key for key in readable if key not in self._followers]
        numbers = slots.numbered(pods) if new else {}
        for key in new:
            log = readable[key]
            known = marks(log.pod["metadata"]["labels"][APP])
            process = observing.name_of(log.pod, numbers)
            if known is not None and process and self._has_room():
                self._begin(log, process, known.get(key, ""))

    def take(self) -> Iterator[Line]:
        """The lines that have come, without waiting."""
        with suppress(queue.Empty):
            for _ in range(_QUEUED):
                yield self._queue.get_nowait()

    def is_known(self, key: str) -> bool:
        """Whether a container's mark may still be needed."""
        return not self._started or key in self._current or key in self._followers

    def close(self) -> None:
        self._feed.close()
        self._warnings.close()
        if self._guard is not None:
            self._guard.close()

    def _start(self) -> None:
        with self._lock:
            if not self._started:
                self._feed.start()
                self._warnings.start()
                if self._guard is not None:
                    self._guard.start()
                self._started = True

    def _has_room(self) -> bool:
        busy = sum(not one.done.is_set() for one in self._followers.values())
        if busy >= MOST_FOLLOWERS and not self._full:
            logger.warning("more than %d containers run: not all logs are read", MOST_FOLLOWERS)
        self._full = busy >= MOST_FOLLOWERS
        return not self._full

    def _begin(self, log: _Log, name: str, after: str) -> None:
        follower = _Follower(log, name)
        self._followers[log.key] = follower
        follower.thread = threading.Thread(
            target=self._read, args=(follower, after), name=f"log {name}", daemon=True
        )
        follower.thread.start()

    def _forget(self) -> None:
        """A container that is gone needs its place no more, once all it said is read."""
        for key, follower in [*self._followers.items()]:
            if follower.done.is_set() and (follower.outrun or key not in self._current):
                del self._followers[key]

    def _read(self, follower: _Follower, after: str) -> None:
        """Until the container has ended, or its pod is gone."""
        log = follower.log
        self._write_number_down(follower)
        app_id = log.pod["metadata"]["labels"][APP]
        try:
            while True:
                try:
                    for stamp, text in self._lines(follower, after):
                        after = stamp
                        line = Line(app_id, follower.process, text, _time(stamp), log.key, stamp)
                        self._queue.put(line)
                    return
                except ApiError as error:
                    if error.status in (400, 404):  # not there any more, or another one by now
                        return
                    logger.warning("the log of %s cannot be read: %s", follower.process, error)
                except RuntimeFailure:
                    pass  # the connection broke: on from the last line
                time.sleep(_PAUSE)
        finally:
            follower.done.set()

    def _lines(self, follower: _Follower, after: str) -> Iterator[tuple[str, str]]:
        """Those of its own start: the API gives the log of the newest, and a crash is quick."""
        log = follower.log
        lines = logs.follow(
            self._client, log.pod, log.container, after=after, previous=log.previous
        )
        for number, line in enumerate(lines):
            if number == 0 and not log.previous and self._has_begun_anew(log):
                follower.outrun = True
                return
            yield line

    def _has_begun_anew(self, log: _Log) -> bool:
        if PROCESS not in log.pod["metadata"]["labels"]:
            return False
        time.sleep(_SETTLED)
        own = (pod for pod in self._feed.objects(POD) if uid_of(pod) == uid_of(log.pod))
        known = {one.key: one for pod in own for one in _readable(pod)}
        return bool(known) and (log.key not in known or known[log.key].previous)

    def _write_number_down(self, follower: _Follower) -> None:
        """Let it stay `web.2`, whatever becomes of the others."""
        meta = follower.log.pod["metadata"]
        number = follower.process.rpartition(".")[2]
        if slots.written(follower.log.pod) is None and PROCESS in meta["labels"]:
            change = {"metadata": {"annotations": {INDEX: number}}}
            with suppress(RuntimeFailure):
                self._client.merge(POD, meta["namespace"], meta["name"], change)

    def _warn(self, kind: Kind, what: str, event: Object) -> None:
        """Kubernetes' own warnings, among the app's lines."""
        namespace = str(event["metadata"].get("namespace", ""))
        about = event.get("involvedObject") or {}
        if what == "DELETED" or not namespace.startswith(self._prefix):
            return
        numbers = slots.numbered(self._feed.objects(POD))
        pods = {uid_of(pod): pod for pod in self._feed.objects(POD)}
        pod = pods.get(str(about.get("uid")))
        process = observing.name_of(pod, numbers) if pod else "kubernetes"
        text = f"{event.get('reason')}: {event.get('message')}"
        line = Line(
            namespace.removeprefix(self._prefix),
            process or "kubernetes",
            text,
            datetime.now(UTC),
            platform=True,
        )
        with suppress(queue.Full):
            self._queue.put_nowait(line)


def trimmed(body: Object) -> Object:
    """What of an object is looked at here: of 5,000 pods, all in all some 20 MB."""
    meta = {key: body["metadata"][key] for key in _META if key in body["metadata"]}
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if "containers" not in spec:
        return {"metadata": meta}
    containers = [
        {"name": one["name"], "args": (one.get("args") or [])[-1:], "resources": _limit(one)}
        for one in spec["containers"]
    ]
    kept = {key: status[key] for key in ("phase", "reason", "message") if key in status}
    kept["conditions"] = [one for one in status.get("conditions") or [] if one["status"] != "True"]
    kept["containerStatuses"] = [
        {key: one[key] for key in _CONTAINER if key in one} for one in containers_of(body)
    ]
    return {"metadata": meta, "spec": {"containers": containers}, "status": kept}


_META = (
    *("name", "namespace", "uid", "labels", "annotations", "ownerReferences"),
    *("creationTimestamp", "deletionTimestamp"),
)
_CONTAINER = ("name", "image", "ready", "restartCount", "state", "lastState")


def _limit(container: Object) -> Object:
    return {"limits": (container.get("resources") or {}).get("limits") or {}}


def _bare_event(event: Object) -> Object:
    meta = {key: event["metadata"][key] for key in ("uid", "namespace") if key in event["metadata"]}
    kept = ("reason", "message", "involvedObject", "count")
    return {"metadata": meta, **{key: event.get(key) for key in kept}}


def _readable(pod: Object) -> Iterator[_Log]:
    """The logs of a pod's containers, each start's apart; not those somebody else reads."""
    if WAITS in (pod["metadata"].get("annotations") or {}):
        return
    for status in containers_of(pod):
        state, count = status.get("state") or {}, int(status.get("restartCount", 0))
        name, key = str(status["name"]), f"{uid_of(pod)}/"
        ended = "terminated" in (status.get("lastState") or {})
        if "running" in state or "terminated" in state:
            yield _Log(pod, name, f"{key}{count}", previous=False)
            if ended and count:
                yield _Log(pod, name, f"{key}{count - 1}", previous=True)
        elif ended:  # it waits until it may begin anew
            yield _Log(pod, name, f"{key}{count}", previous=False)


def _time(stamp: str) -> datetime:
    """RFC 3339 with nanoseconds, of which Python reads six digits."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{whole}.{fraction[:6] or '0'}+00:00").astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
