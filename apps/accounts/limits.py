"""Rate limits on guessing: passwords and tokens.

Counters live in the cache (Redis). When it does not answer, guessing is still
slow work against argon2 and 256-bit tokens, so the door stays open for users.
"""

from __future__ import annotations

import logging

from django.core.cache import cache
from redis.exceptions import RedisError

from apps.accounts.errors import TooMany

FAILURES = 20
WINDOW = 300  # seconds

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
        cache.add(_key(kind, who), 0, WINDOW)
        cache.incr(_key(kind, who))
    except (RedisError, ValueError):
        log.warning("could not count a failed %s try", kind)


def _key(kind: str, who: str) -> str:
    return f"failures:{kind}:{who}"
