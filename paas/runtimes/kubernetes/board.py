"""What all processes do, for every part of the panel to read: the observer writes it to Redis.

One watch serves them all: without it, each page that lists apps would list the
cluster's pods.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from typing import Any

from paas.runtimes.base import Disturbance, ProcessState, ProcessStatus

KEY = "cluster:processes"
DISTURBED = "cluster:disturbed"
FRESH_SECONDS = 10
"""A board that nobody has written to for so long says nothing."""
REWRITE_SECONDS = 3.0
_TIMEOUT = 2.0


class Board:
    """Holds the statuses in Redis, at `url`; while that is away it holds nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._written: tuple[float, list[ProcessStatus]] = (float("-inf"), [])

    def write(self, statuses: list[ProcessStatus]) -> None:
        """Tell the others; often called, it writes what is new, and now and then that it lives."""
        from redis.exceptions import RedisError

        now = time.monotonic()
        at, before = self._written
        if statuses is before and now - at < REWRITE_SECONDS:
            return
        with suppress(RedisError, OSError):
            text = json.dumps([asdict(one) for one in statuses], default=_plain)
            self._redis.set(KEY, text, ex=FRESH_SECONDS)
            self._written = now, statuses

    def read(self) -> list[ProcessStatus] | None:
        """What was written last; None if that is too long ago."""
        from redis.exceptions import RedisError

        try:
            text = self._redis.get(KEY)
        except (RedisError, OSError):
            return None
        return None if text is None else [_status(data) for data in _list(text)]

    def tell_disturbed(self, found: Mapping[str, Disturbance]) -> bool:
        """Note apps that somebody may have changed; False if nobody can be told now."""
        from redis.exceptions import RedisError

        try:
            texts = {app_id: json.dumps(asdict(one)) for app_id, one in found.items()}
            self._redis.hset(DISTURBED, mapping=texts)
        except (RedisError, OSError):
            return False
        return True

    def take_disturbed(self) -> dict[str, Disturbance]:
        """What was noted; of several who ask, one gets it."""
        from redis.exceptions import RedisError

        try:
            with self._redis.pipeline(transaction=True) as both:
                found, _ = both.hgetall(DISTURBED).delete(DISTURBED).execute()
        except (RedisError, OSError):
            return {}
        return {key.decode(): Disturbance(**json.loads(text)) for key, text in found.items()}

    @cached_property
    def _redis(self) -> Any:
        from redis import Redis

        return Redis.from_url(self._url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)


def _list(text: bytes) -> Iterable[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)
    return found


def _status(data: dict[str, Any]) -> ProcessStatus:
    known = {
        "state": ProcessState(data["state"]),
        "since": datetime.fromisoformat(data["since"]),
    }
    return ProcessStatus(**data | known)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
