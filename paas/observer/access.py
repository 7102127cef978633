"""The router's log for all apps is one file; this deals its lines out to the apps' logs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps.logs.lines import Message
from paas.observer import checkpoint, router
from paas.observer.budget import READ_BYTES, skip_backlog
from paas.observer.follow import Follower, Place, rotated_by_time
from paas.observer.watch import View

WAITING_ENTRIES = 2_000

Deliver = Callable[[str, int, Message], None]
"""app id, number of the line in the router's log, the line."""


class AccessLog:
    """Reads Caddy's access log and knows which app each line belongs to.

    Lines are numbered from the first ever read. Each app's checkpoint holds
    the number it has got to, ours the place in the file; after a crash the
    lines in between are read again and the apps refuse those they have.
    """

    def __init__(self, path: Path) -> None:
        self._checkpoint = path.parent / checkpoint.FOLDER / checkpoint.NAME
        self._follower = Follower(path, rotated_by_time(path))
        self._partial = b""
        # Without a checkpoint, numbers begin above all that were ever given.
        self._number = time.time_ns() // 1_000
        self._restore(checkpoint.load(self._checkpoint))
        self._waiting: deque[tuple[int, router.Entry]] = deque()
        self._unsaved = False

    def _restore(self, saved: dict[str, Any]) -> None:
        try:
            place = Place.from_json(saved["place"])
            self._partial, self._number = bytes.fromhex(saved["partial"]), int(saved["number"])
        except (KeyError, ValueError, TypeError):
            return
        self._follower.place = place

    def read(self) -> None:
        """Take what is new, unless too much waits for a view of the runtime already."""
        if len(self._waiting) >= WAITING_ENTRIES or not self._follower.pending():
            return
        self._number += skip_backlog(self._follower)
        data = self._partial + self._follower.read(READ_BYTES)
        *lines, self._partial = data.split(b"\n")
        for line in lines:
            self._number += 1
            entry = router.parse(line)
            if entry is not None:
                self._waiting.append((self._number, entry))
        self._unsaved = True

    def deal(self, view: View, deliver: Deliver) -> bool:
        """Give out what the view can place.

        Returns:
            False if a line is newer than the view and unknown to it: look
            again and call again. Unknown to a newer view, it is nobody's.
        """
        while self._waiting:
            number, entry = self._waiting[0]
            app_id = view.hosts.get(entry.host)
            unknown = app_id is None or (entry.port is not None and entry.port not in view.ports)
            if unknown and entry.time.timestamp() >= view.taken:
                return False
            self._waiting.popleft()
            if app_id is not None:
                process = view.ports.get(entry.port, "") if entry.port is not None else ""
                deliver(app_id, number, router.message_of(entry, process))
        return True

    def save(self) -> None:
        """Note how far all apps have got; call it once their lines are durable.

        Raises:
            OSError: it could not be written; the next call tries again.
        """
        if self._waiting or not self._unsaved or self._follower.place is None:
            return
        place = self._follower.place.to_json()
        data = {"place": place, "partial": self._partial.hex(), "number": self._number}
        checkpoint.save(self._checkpoint, data)
        self._unsaved = False
