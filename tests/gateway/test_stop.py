"""The gateway ends, by order or by force: nothing is left hanging, the deploy is the worker's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.gateway.panel import App, FakePanel
from tests.gateway.world import FrontDoor, Gateway, Person, SshDoor, make_instance, refs, wait_for

STEPS = ("after_access", "after_create", "after_archive", "after_start", "before_exit")


class House:
    """A gateway of one test's own, which it may kill."""

    def __init__(self, panel: FakePanel, folder: Path, transport: str) -> None:
        self.panel = panel
        self.gateway, self.caddy = Gateway(panel.instance), FrontDoor(panel.instance)
        self.faults = folder / "faults"
        self.faults.mkdir()
        self.gateway.start(PAAS_FAULTS_DIR=str(self.faults))
        self.caddy.start()
        door = self.caddy if transport == "http" else SshDoor.of_people(panel, folder / "keys")
        self.alice = Person(folder / "alice", door)

    def stop(self) -> None:
        self.caddy.stop()
        self.gateway.stop()


@pytest.fixture(params=["http", "ssh"])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="gw") as run:
        panel = FakePanel(make_instance(tmp_path / "home", Path(run) / "run"))
        panel.start()
        house = House(panel, tmp_path, request.param)
        yield house
        house.stop()
        panel.stop()


def at_work(app: App) -> list[int]:
    """Processes that deal with the app's repository: git by its arguments, the hook by its cwd."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "cwd"])
        if str(app.repository) in [process.info["cwd"], *(process.info["cmdline"] or ())]
    ]


def test_a_stop_tells_the_client_and_the_deploy_goes_on(house: House) -> None:
    app = house.panel.create(automatic=False)
    commit = house.alice.remote(app).commit()
    push = house.alice.start_push()
    wait_for(lambda: app.builds and app.builds[0].started, "the push deploys")
    assert house.gateway.stop() == 0
    output = push.communicate()[1]
    assert push.returncode == 1
    assert "The deploy goes on: `paas builds` shows how" in output
    assert app.builds[0].delivered is False
    app.builds[0].finish()

    house.gateway.start()
    assert house.alice.push().returncode == 0
    assert refs(app) == {"refs/heads/main": commit}
    assert len(app.builds) == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_gateway_leaves_nothing_and_the_next_push_works(house: House, step: str) -> None:
    app = house.panel.create()
    commit = house.alice.remote(app).commit()
    (house.faults / f"gateway.{step}").write_text("kill")
    push = house.alice.start_push()
    assert push.communicate() and push.returncode != 0
    assert house.gateway.process.wait(60) == -9
    wait_for(lambda: not at_work(app), "git and the hook end")
    assert refs(app) == {}
    app.busy = False  # the panel's sweeper settles what was never started
    house.gateway.start()
    assert not list((app.repository / "objects").glob("tmp_*"))
    assert house.alice.push().returncode == 0
    assert refs(app) == {"refs/heads/main": commit}
    assert not list(house.panel.instance.sources.glob("*.tmp"))


@pytest.mark.parametrize("step", ["after_create", "after_archive"])
def test_a_full_disk_abandons_the_build(house: House, step: str) -> None:
    app = house.panel.create()
    house.alice.remote(app).commit()
    (house.faults / f"gateway.{step}").write_text("full")
    push = house.alice.push()
    assert push.returncode == 1
    assert "The source could not be archived: the disk is full" in push.stderr
    assert app.builds[0].abandoned
    assert house.alice.push().returncode == 0
