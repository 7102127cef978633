"""The instance as a whole: stopped and started, two side by side, backed up and restored."""

from __future__ import annotations

import json
import shutil

import psutil

from tests.e2e.world import World, running


def test_apps_come_back_and_nothing_stays_behind(tmp_path):
    with running(tmp_path) as world:
        app = world.repository("flask", "app")
        world.paas("create", "comes-back", cwd=app)
        world.git("push", "paas", "main", cwd=app)
        world.paas("ps:scale", "worker=1", cwd=app)
        started = psutil.Process(world.launcher.pid).children(recursive=True)
        assert world.down() == 0
        _, left = psutil.wait_procs(started, timeout=5)
        assert not left
        world.up()
        assert world.wait_for("flask one", app="comes-back").status == 200
        dynos = json.loads(world.paas("ps", "--json", cwd=app).stdout)
        assert {dyno["name"] for dyno in dynos} >= {"web.1"}


def test_two_instances_side_by_side(world, tmp_path):
    with running(tmp_path) as other:
        mine = world.repository("procfile", "side")
        world.paas("create", "side-app", cwd=mine)
        world.git("push", "paas", "main", cwd=mine)
        theirs = other.repository("procfile", "side")
        other.set_version(theirs, "the other one")
        other.paas("create", "side-app", cwd=theirs)
        other.git("push", "paas", "main", cwd=theirs)
        assert "the other one" in other.get(app="side-app").body
        assert "the other one" not in world.get(app="side-app").body
    assert world.get(app="side-app").status == 200, "stopping one leaves the other alone"


def test_backup_and_restore(tmp_path):
    first = tmp_path / "first"
    first.mkdir()
    with running(first) as world:
        app = world.repository("flask", "app")
        world.paas("create", "saved", cwd=app)
        world.git("push", "paas", "main", cwd=app)
        world.paas("config:set", "GREETING=restored", cwd=app)
        world.paas("backup", "--artifacts", str(tmp_path / "all.backup"))
        world.paas("backup", str(tmp_path / "small.backup"))
        releases = world.paas("releases", "--json", cwd=app).stdout
        port = world.port

    second = World(tmp_path / "second", port=port)
    second.folder.mkdir()
    second.paas("restore", str(tmp_path / "all.backup"))
    try:
        second.up()
        second.wait_for("restored", app="saved")
        assert (
            json.loads(second.paas("releases", "-a", "saved", "--json").stdout)[0]["version"]
            == json.loads(releases)[0]["version"]
        )
    finally:
        second.down()

    third = World(tmp_path / "third", port=port)
    third.folder.mkdir()
    third.paas("restore", str(tmp_path / "small.backup"))
    shutil.copytree(first / "app", third.folder / "app")
    try:
        third.up()
        app = third.folder / "app"
        third.paas("git:remote", "-a", "saved", cwd=app)
        third.git("commit", "-q", "--allow-empty", "-m", "rebuild", cwd=app)
        third.git("push", "paas", "main", cwd=app)
        assert "restored" in third.get(app="saved").body, "config came with the backup"
    finally:
        third.down()
