"""What the API says of some kinds, kept fresh by one watch each, without asking again."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from paas.runtimes.base import RuntimeFailure
from paas.runtimes.kubernetes import client as api
from paas.runtimes.kubernetes.client import Client, Stream
from paas.runtimes.kubernetes.errors import Expired, Unreachable
from paas.runtimes.kubernetes.kinds import Kind
from paas.runtimes.kubernetes.names import Object
from paas.runtimes.kubernetes.together import together

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0

Keep = Callable[[Object], Object]
"""What of an object is kept in memory."""
OnChange = Callable[[Kind, str, Object], None]
"""Is told ADDED, MODIFIED or DELETED and the object, in the watch's thread.

What changed while the watch was cut is told as it was kept.
"""


class Feed:
    """The objects of some kinds, by uid, from `start` to the end of its context.

    Args:
        namespace: "" for all.
        labels: a label selector.
        keep: what to keep of each object.
        on_change: told of every change after the first list.
    """

    def __init__(
        self,
        client: Client,
        kinds: Iterable[Kind],
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        keep: Keep = lambda body: body,
        on_change: OnChange | None = None,
    ) -> None:
        self._client, self._namespace = client, namespace
        self._labels, self._fields, self._keep = labels, fields, keep
        self._on_change = on_change
        self._kinds = tuple(kinds)
        self._objects: dict[Kind, dict[str, Object]] = {kind: {} for kind in self._kinds}
        self._streams: dict[Kind, Stream] = {}
        self._changed = threading.Condition()
        self._news = 0
        self._stopped = threading.Event()
        self._silent: dict[Kind, tuple[float, RuntimeFailure]] = {}

    def start(self) -> None:
        """List all once, then watch in the background."""
        versions = together(self._list, self._kinds)
        for kind, version in zip(self._kinds, versions, strict=True):
            threading.Thread(
                target=self._follow,
                args=(kind, version),
                name=f"watch {kind.plural}",
                daemon=True,
            ).start()

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; what is known stays."""
        self._stopped.set()
        with self._changed:
            streams = list(self._streams.values())
        for stream in streams:
            stream.close()

    def objects(self, kind: Kind) -> list[Object]:
        with self._changed:
            return list(self._objects[kind].values())

    def wait(self, timeout: float, seen: int) -> int:
        """Wait up to `timeout` seconds for news beyond `seen`; how much there has been by now."""
        with self._changed:
            if self._news == seen:
                self._changed.wait(timeout)
            return self._news

    def silence(self) -> tuple[float, RuntimeFailure] | None:
        """For how many seconds a watch has been cut, and by what; None while all stand."""
        with self._changed:
            cut = min(self._silent.values(), key=lambda entry: entry[0], default=None)
        return (time.monotonic() - cut[0], cut[1]) if cut else None

    # --- the watches -----------------------------------------------------------
    def _list(self, kind: Kind) -> str:
        """Replace what is known by what is; the version to watch from."""
        fresh: dict[str, Object] = {}
        version = ""
        for items, version in self._client.pages(  # noqa: B007 - the last one's counts
            kind, self._namespace, labels=self._labels, fields=self._fields
        ):
            fresh |= {item["metadata"]["uid"]: self._keep(item) for item in items}
        with self._changed:
            known, self._objects[kind] = self._objects[kind], fresh
            self._tell()
        for uid in known.keys() - fresh.keys():
            self._report(kind, "DELETED", known[uid])
        for uid, body in fresh.items():
            if known.get(uid) != body and self._streams.get(kind) is not None:
                self._report(kind, "MODIFIED" if uid in known else "ADDED", body)
        return version

    def _follow(self, kind: Kind, version: str) -> None:
        """Watch one kind until closed, from where the last connection ended."""
        pause = _FIRST_PAUSE
        while not self._stopped.is_set():
            try:
                if not version:
                    version = self._list(kind)
                for at in self._changes(kind, version):
                    version, pause = at, _FIRST_PAUSE
                self._heard(kind)
            except Expired:
                version = ""
            except RuntimeFailure as error:
                self._cut(kind, error)
                self._stopped.wait(random.uniform(pause / 2, pause))  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception as error:  # a watch that ends silently would be believed for ever
                logger.exception("the watch of %s failed", kind.plural)
                self._cut(kind, Unreachable(f"{type(error).__name__}: {error}"))
                version = ""
                self._stopped.wait(_LONGEST_PAUSE)

    def _changes(self, kind: Kind, version: str) -> Iterable[str]:
        """Take in the changes since `version`; yields the version after each.

        Raises:
            Expired: the server does not know that version any more, or not yet.
        """
        stream = self._client.watch(
            kind, self._namespace, version, labels=self._labels, fields=self._fields
        )
        with self._changed:
            self._streams[kind] = stream
        if self._stopped.is_set():
            stream.close()
        self._heard(kind)
        began, mute = time.monotonic(), True
        try:
            for what, body in stream.events():
                if self._stopped.is_set():
                    return
                mute = False
                if what != "BOOKMARK":
                    self._take(kind, what, body)
                yield body["metadata"]["resourceVersion"]
        except Unreachable:
            if not mute or time.monotonic() - began < api.WATCH_READ_SECONDS:
                raise
            self._refuse_future(kind, version)
        finally:
            stream.close()

    def _refuse_future(self, kind: Kind, version: str) -> None:
        """Not even a bookmark came. None does while nothing of a kind changes, which is no fault.

        But of a version that is yet to come the server says nothing either:
        such are ours after its store was restored.

        Raises:
            Expired: it is such a one.
        """
        now = self._client.version_of(kind, self._namespace)
        if now.isdecimal() and version.isdecimal() and int(now) < int(version):
            raise Expired(410, "Expired", f"the server is at {now}, and has been at {version}")

    def _take(self, kind: Kind, what: str, body: Object) -> None:
        uid, kept = body["metadata"]["uid"], self._keep(body)
        with self._changed:
            if what == "DELETED":
                self._objects[kind].pop(uid, None)
            else:
                self._objects[kind][uid] = kept
            self._tell()
        self._report(kind, what, body)

    def _report(self, kind: Kind, what: str, body: Object) -> None:
        if self._on_change is not None:
            self._on_change(kind, what, body)

    def _heard(self, kind: Kind) -> None:
        with self._changed:
            self._silent.pop(kind, None)

    def _cut(self, kind: Kind, error: RuntimeFailure) -> None:
        if self._stopped.is_set():
            return
        with self._changed:
            if kind not in self._silent:
                logger.info("the watch of %s was cut: %s", kind.plural, error)
            self._silent.setdefault(kind, (time.monotonic(), error))

    def _tell(self) -> None:
        self._news += 1
        self._changed.notify_all()
