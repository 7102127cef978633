"""The gateway stops: no push is left hanging, and the deploy is the worker's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.panel import FakePanel
from tests.gateway.world import FrontDoor, Gateway, Person, make_instance, refs, wait_for


@pytest.fixture
def own(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePanel]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gw") as run:
        panel = FakePanel(make_instance(tmp_path / "home", Path(run) / "run"))
        panel.start()
        yield panel
        panel.stop()


def test_a_stop_tells_the_client_and_the_deploy_goes_on(own: FakePanel, tmp_path: Path) -> None:
    app = own.create(automatic=False)
    gateway, door = Gateway(own.instance), FrontDoor(own.instance)
    gateway.start()
    door.start()
    alice = Person(tmp_path / "alice", door.port).remote(app)
    commit = alice.commit()
    push = alice.start_push()
    wait_for(lambda: app.builds and app.builds[0].started, "the push deploys")
    assert gateway.stop() == 0
    output = push.communicate()[1]
    assert push.returncode == 1
    assert "The deploy goes on: `paas builds` shows how" in output
    assert app.builds[0].delivered is False
    app.builds[0].finish()

    gateway.start()
    wait_for(lambda: alice.push().returncode == 0, "the next push only moves the branch")
    assert refs(app) == {"refs/heads/main": commit}
    assert len(app.builds) == 1
    gateway.stop()
    door.stop()
