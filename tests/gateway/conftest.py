"""One gateway, one fake panel and one Caddy for all tests of a worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.instance import Instance
from tests.gateway.panel import FakePanel
from tests.gateway.world import Door, FrontDoor, Gateway, Person, SshDoor, make_instance


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    # Paths with a space and a colon: both break what is not quoted.
    home = tmp_path_factory.mktemp("paas home: one")
    with tempfile.TemporaryDirectory(prefix="gw ") as run:  # short: Unix sockets allow 107 bytes
        yield make_instance(home, Path(run) / "run")


@pytest.fixture(scope="session")
def panel(instance: Instance) -> Iterator[FakePanel]:
    panel = FakePanel(instance)
    panel.start()
    yield panel
    panel.stop()


@pytest.fixture(scope="session")
def gateway(instance: Instance, panel: FakePanel) -> Iterator[Gateway]:
    gateway = Gateway(instance)
    gateway.start()
    yield gateway
    assert gateway.stop() == 0


@pytest.fixture(scope="session")
def front_door(instance: Instance, gateway: Gateway) -> Iterator[FrontDoor]:
    door = FrontDoor(instance)
    door.start()
    yield door
    door.stop()


@pytest.fixture(scope="session")
def ssh_door(
    panel: FakePanel, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> SshDoor:
    return SshDoor.of_people(panel, tmp_path_factory.mktemp("keys") / "of people")


@pytest.fixture(params=["http", "ssh"])
def door(request: pytest.FixtureRequest) -> Door:
    """Both ways in; a module about one of them has this fixture return that one."""
    found: Door = request.getfixturevalue({"http": "front_door", "ssh": "ssh_door"}[request.param])
    return found


@pytest.fixture
def alice(tmp_path: Path, door: Door) -> Person:
    return Person(tmp_path / "alice", door)
