"""cache:info and cache:gc where the cache is the panel's, and where it is another's."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel

_OWN = {
    "url": "http://localhost:8080/cache/",
    "public_key": "paas-ci:AAAA",
    "paths": 34,
    "size": 2_000_000,
    "store": "local",
    "kept_builds": 2,
    "free": 9_000_000_000,
}


def test_the_panels_own(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /nodes/cache", _OWN)
    panel.on(
        "POST /nodes/cache/actions/collect",
        {"store_paths": 7, "cache_paths": 3, "cache_size": 1_000_000},
    )
    assert "34" in paas("cache:info").stdout
    said = paas("cache:gc").stderr
    assert "3 paths from the cache" in said and "7 paths from the store" in said
    assert "another's" not in said


def test_another_ones(paas: Run, panel: FakePanel) -> None:
    elsewhere = {**_OWN, "url": "s3://builds", "paths": None, "size": None}
    panel.on("GET /nodes/cache", elsewhere)
    panel.on(
        "POST /nodes/cache/actions/collect",
        {"store_paths": 7, "cache_paths": None, "cache_size": None},
    )
    said = paas("cache:info").stdout
    assert "s3://builds" in said and "counted and cleared up there" in said
    done = paas("cache:gc")
    assert done.returncode == 0
    assert "7 paths from the store" in done.stderr and "from the cache" not in done.stderr
    assert "The cache (PAAS_NIX_CACHE) is another's" in done.stderr
