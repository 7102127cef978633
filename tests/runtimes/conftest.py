"""One real instance per test module; every test uses an app of its own name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from paas.runtimes.base import AppSpec, Artifact
from paas.runtimes.local import LocalRuntime
from tests.runtimes import sample
from tests.runtimes.world import World

_numbers = itertools.count(1)


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


@pytest.fixture(scope="module")
def build(world: World) -> Artifact:
    return sample.artifact(world.root / "build")


@pytest.fixture
def app(world: World, build: Artifact) -> Iterator[AppSpec]:
    """An app nobody else uses; removed at the end."""
    number = next(_numbers)
    spec = sample.spec(build, app=f"app{number}", app_number=number)
    yield spec
    world.runtime(stop_timeout=2).remove(spec.app_id, 1000)
