"""The cache in Redis: one client for all requests, and increments as Django defines them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

import pytest
import redis
from django.core.cache import cache


@pytest.fixture
def in_request(redis_url, settings) -> Callable[..., object]:
    """`in_request(act)` as a request does it: with a cache made for it."""
    settings.CACHES = {"default": {"BACKEND": "paas.cache.ProcessCache", "LOCATION": redis_url}}
    return lambda act: Context().run(act)


def test_requests_share_a_connection(in_request, redis_url):
    for _ in range(5):
        in_request(lambda: cache.set("key", 1))
    assert len(redis.Redis.from_url(redis_url).client_list()) == 2  # this one is the second


def test_a_key_is_counted_up_while_it_is_there(in_request):
    with pytest.raises(ValueError, match="not found"):
        in_request(lambda: cache.incr("calls"))
    in_request(lambda: cache.add("calls", 0, 60))
    assert [in_request(lambda: cache.incr("calls")) for _ in range(2)] == [1, 2]
    assert in_request(lambda: cache.incr("calls", 3)) == 5
    assert in_request(lambda: cache.get("calls")) == 5
