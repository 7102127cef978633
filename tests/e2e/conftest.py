"""One instance for all tests that do not break it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.parts import Faults
from tests.e2e.ssh import Keyring
from tests.e2e.world import World, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="session")
def keyring(world: World) -> Keyring:
    """A key of the admin's, with which git comes in over SSH unless told otherwise."""
    keyring = Keyring(world)
    world.paas("keys:add", str(keyring.make("admin")))
    world.extra["GIT_SSH_COMMAND"] = keyring.command("admin")
    return keyring


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    return Faults(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Iterator[World]:
    """An instance whose fault points are armed, with an app that is live."""
    folder = tmp_path_factory.mktemp("broken")
    with running(folder, PAAS_FAULTS_DIR=str(faults.folder)) as world:
        app = world.repository("flask", "app")
        world.paas("create", "victim", cwd=app)
        world.git("push", "paas", "main", cwd=app)
        yield world
