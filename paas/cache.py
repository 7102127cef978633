"""Django's cache in Redis, with connections that outlive a request."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import Redis

_INCREMENT = """
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('INCRBY', KEYS[1], ARGV[1]) end
"""


class Client(RedisCacheClient):
    """Django's, which would make an object for each command and ask twice for an increment."""

    def __init__(self, url: str) -> None:
        super().__init__([url])
        self._redis: Redis = Redis.from_url(url)
        self._increment = self._redis.register_script(_INCREMENT)

    def get_client(self, key: Any = None, *, write: bool = False) -> Redis:
        return self._redis

    def incr(self, key: Any, delta: int) -> int:
        """
        Raises:
            ValueError: there is no such key.
        """
        value: Any = self._increment([key], [delta])
        if value is None:
            raise ValueError(f"Key {key!r} not found.")
        return int(value)


class ProcessCache(RedisCache):
    """One client for the process: Django makes a cache for each request, and with each a
    connection to Redis, which is half of the work of a small answer."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._url = server

    @cached_property
    def _cache(self) -> Client:
        return _client(self._url)


_client = cache(Client)
