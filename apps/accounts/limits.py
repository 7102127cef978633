"""Rate limits: on guessing passwords and tokens, and on calls of the API.

Counters live in the cache (Redis). When it does not answer, guessing is still
slow work against argon2 and 256-bit tokens, so the door stays open for users.
"""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from apps.accounts.errors import TooMany
from apps.accounts.models import User

FAILURES = 20
WINDOW = 300  # seconds
HOUR = 3600  # seconds

log = logging.getLogger(__name__)


def check_rate(kind: str, who: str) -> None:
    """Refuse `who` (an address or an e-mail) after too many failures of `kind`.

    Raises:
        TooMany: `FAILURES` wrong tries within `WINDOW` seconds.
    """
    try:
        failures = cache.get(_key(kind, who), 0)
    except RedisError:
        return
    if failures >= FAILURES:
        raise TooMany(f"Too many wrong tries. Wait {WINDOW // 60} minutes, then try again.")


def count_failure(kind: str, who: str) -> None:
    """Count one wrong try.

    Raises:
        TooMany: it was one too many.
    """
    check_rate(kind, who)
    try:
        _count(_key(kind, who), WINDOW)
    except (RedisError, ValueError):
        log.warning("could not count a failed %s try", kind)


def spend_call(user: User) -> int | None:
    """Count one call of the API by `user`.

    Returns:
        How many are left in this hour, below zero when there was none; None
        when nobody counts, because Redis is away.
    """
    key = f"calls:{user.pk}:{int(time.time()) // HOUR}"
    try:
        return int(settings.API_CALLS_PER_HOUR) - _count(key, HOUR)
    except (RedisError, ValueError):
        return None


def _count(key: str, life: int) -> int:
    """How often `key` was counted, now included, within `life` seconds from the first time."""
    try:
        return cache.incr(key)
    except ValueError:
        cache.add(key, 0, life)
        return cache.incr(key)


def _key(kind: str, who: str) -> str:
    return f"failures:{kind}:{who}"
