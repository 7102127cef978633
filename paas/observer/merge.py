"""One app's merged log: its raw files, the router and the watcher flow into `app.log`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from apps.logs.lines import NAME, LineId, LogLine, Message
from apps.logs.platform import RAW_NAME, rotate
from apps.logs.store import End, Writer
from paas.observer import checkpoint
from paas.observer.budget import BURST_LINES, Budget
from paas.observer.follow import Follower, rotated_by_number
from paas.observer.sources import Drops, Source, printed_by, said_by_platform
from paas.observer.states import Seen

PLATFORM_RAW_BYTES = 1024 * 1024
"""`platform.raw` is renamed to `platform.raw.1` beyond this."""

logger = logging.getLogger(__name__)


class AppLog:
    """Everything the observer knows about one app.

    Lines collect in memory (`take`, `add_routed`, `add`) and become durable
    together (`flush`). Where the disk is full they wait, and nothing more is
    read meanwhile.

    Args:
        app_dir: the app's log folder, which exists.
        now: monotonic seconds.

    Raises:
        OSError: the folder is gone or cannot be written.
    """

    def __init__(self, app_dir: Path, now: float) -> None:
        self.app_id = app_dir.name
        self.folder = app_dir
        self._checkpoint = app_dir / checkpoint.FOLDER / checkpoint.NAME
        saved = checkpoint.load(self._checkpoint)
        self._away = checkpoint.age(self._checkpoint, time.time())
        self._writer = Writer(app_dir, _end(saved.get("end")))
        self._saved_sources: dict[str, Any] = saved.get("sources") or {}
        self._sources: dict[str, Source] = {}
        self._waiting: list[Message] = []
        self._written: list[LogLine] = []  # durable, but no checkpoint speaks of them yet
        self._router_budget = Budget(now, self._away)
        self._router_drops = Drops("router")
        self.routed = int(saved.get("routed") or 0)
        self.states = _states(saved.get("states") or {})
        self.marks: dict[str, str] = dict(saved.get("marks") or {})
        self._platform = app_dir / RAW_NAME
        self._follow(self._platform, "api", now, platform=True)

    def close(self) -> None:
        self._writer.close()

    def follow(self, files: dict[Path, str], now: float) -> None:
        """Set which process files there are: those in our folder, and `files` (path → process).

        The folder alone tells of a one-off that has ended before the runtime
        was asked. A file that is gone is read to its end first.
        """
        wanted = files | _process_files(self.folder)
        for key in self._sources.keys() - {str(path) for path in wanted}:
            if key != str(self._platform) and not self._sources[key].follower.pending():
                del self._sources[key]
        for path, process in wanted.items():
            if str(path) not in self._sources:
                self._follow(path, process, now)

    def take(self, now: float) -> None:
        """Read what the raw files hold."""
        for source in self._sources.values():
            self._waiting += source.take(now)
        self._waiting += self._router_drops.note(now)

    def add_routed(self, number: int, message: Message, now: float) -> None:
        """Take line `number` of the router's log, unless a checkpoint says we have it."""
        if number <= self.routed:
            return
        self.routed = number
        if self._router_budget.available(now) < 1 or len(self._waiting) >= BURST_LINES:
            self._router_drops.lines += 1
            return
        self._router_budget.spend(1)
        self._waiting.append(message)

    def add(self, messages: Iterable[Message]) -> None:
        self._waiting += messages

    def mark(self, marks: Mapping[str, str]) -> None:
        """Note how far streamed logs were read; saved with the lines that were read up to there."""
        self.marks.update(marks)

    def forget_marks(self, is_known: Callable[[str], bool]) -> None:
        """Drop the marks of containers that are gone."""
        self.marks = {key: stamp for key, stamp in self.marks.items() if is_known(key)}

    def flush(self) -> list[LogLine]:
        """Write what waits, and the checkpoint.

        Returns:
            The lines that are durable now and may be published.

        Raises:
            OSError: nothing was written (disk full, folder gone); call again later.
        """
        if self._waiting:
            self._written += self._writer.append(self._waiting, time.time_ns() // 1_000_000)
            self._waiting = []
        if self._written:
            checkpoint.save(self._checkpoint, self._state())
            self._rotate_platform()
        lines, self._written = self._written, []
        return lines

    def _follow(self, path: Path, process: str, now: float, *, platform: bool = False) -> None:
        to_message = said_by_platform if platform else printed_by(process)
        source = Source(
            Follower(path, rotated_by_number(path)), process, to_message, now=now, away=self._away
        )
        saved = self._saved_sources.pop(str(path), None)
        if saved is not None:
            try:
                source.restore(saved)
            except (ValueError, KeyError, TypeError) as error:
                logger.warning("%s is read from its start: bad checkpoint (%s)", path, error)
        self._sources[str(path)] = source

    def _state(self) -> dict[str, object]:
        end = self._writer.end
        states = {key: s.state() for key, s in self._sources.items()}
        return {
            "end": {"inode": end.inode, "size": end.size, "last_id": str(end.last_id)},
            "sources": {key: state for key, state in states.items() if state is not None},
            "routed": self.routed,
            "marks": self.marks,
            "states": {name: seen.to_json() for name, seen in self.states.items()},
        }

    def _rotate_platform(self) -> None:
        source = self._sources[str(self._platform)]
        place = source.follower.place
        if place and place.offset > PLATFORM_RAW_BYTES and not source.follower.pending():
            rotate(self._platform)


def _process_files(folder: Path) -> dict[Path, str]:
    """The raw files by path; one whose backup alone is there is just being rotated."""
    names = {path.name.removesuffix(".1") for path in folder.glob("*.raw*")}
    stems = {name.removesuffix(".raw") for name in names if name.endswith(".raw")}
    return {
        folder / f"{stem}.raw": stem
        for stem in stems - {Path(RAW_NAME).stem}
        if NAME.fullmatch(stem)
    }


def _end(saved: Mapping[str, Any] | None) -> End | None:
    if saved is None:
        return None
    try:
        return End(int(saved["inode"]), int(saved["size"]), LineId.parse(saved["last_id"]))
    except (ValueError, KeyError, TypeError):
        return None


def _states(saved: Mapping[str, Any]) -> dict[str, Seen]:
    try:
        return {name: Seen.from_json(data) for name, data in saved.items()}
    except (ValueError, KeyError, TypeError):
        return {}
