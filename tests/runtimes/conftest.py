"""One real instance per test module; every test uses an app of its own name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paas.runtimes.local import LocalRuntime
from tests.runtimes.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture
def runtime(world: World) -> LocalRuntime:
    return world.runtime()
