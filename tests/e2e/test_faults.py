"""Killing parts at every arrow of a deploy: nothing is lost, nothing is left over."""

from __future__ import annotations

import time

import pytest

from tests.e2e.breaking import assert_sound, change, cut, push_in_background
from tests.e2e.parts import rows, wait_settled

ARROWS = [
    "deploy.claimed",
    "build.unpacked",
    "build.built",
    "deploy.releasing",
    "deploy.release-created",
    "release.phase",
    "release.phase-done",
    "release.starting",
    "release.ready",
    "release.committed",
]


GATEWAY_STEPS = [
    "gateway.after_access",
    "gateway.after_create",
    "gateway.after_archive",
    "gateway.after_start",
    "gateway.before_exit",
]


@pytest.mark.parametrize("point", GATEWAY_STEPS)
def test_the_gateway_dies(broken, faults, point):
    app = change(broken, f"gateway-{point}")
    faults.order(point, "kill")
    push = push_in_background(broken, app)
    faults.wait_hit(point)
    output, _ = push.communicate(timeout=90)
    faults.clear()
    assert "Traceback" not in output
    assert_sound(broken, app, f"gateway-{point}")


@pytest.mark.parametrize(
    "point", ["config.created", "release.phase", "release.ready", "release.committed"]
)
def test_the_worker_dies_during_a_config_change(broken, faults, point):
    app = broken.folder / "app"
    by_web = point == "config.created"  # this one is passed by the panel's web process
    faults.order(point, "kill")
    broken.paas("config:set", f"GREETING={point}", cwd=app, check=False)
    faults.wait_hit(point)
    faults.clear()
    broken.wait_healthy()
    wait_settled(broken)
    ((state, current),) = rows(
        broken, "SELECT state, current FROM releases_release ORDER BY version DESC LIMIT 1"
    )
    if current:
        broken.wait_for(point, app="victim")
    else:
        assert state == "failed" and not by_web
        assert point not in broken.get(app="victim").body
    assert_sound(broken, app, f"config-{point}")


@pytest.mark.by_nix
@pytest.mark.parametrize("point", ["build.unpacked", "release.starting"])
def test_a_full_disk_is_told(broken, faults, point):
    app = change(broken, f"full-{point}")
    faults.order(point, "full")
    output, _ = push_in_background(broken, app).communicate(timeout=90)
    faults.clear()
    assert "No space left on device" in output
    assert "Push rejected" in output
    assert_sound(broken, app, f"full-{point}")


def test_the_client_goes_and_the_deploy_succeeds(broken, faults):
    """The next push is git's own Everything up-to-date."""
    app = change(broken, "gone-but-live")
    faults.order("release.starting", "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit("release.starting")
    cut(push)
    hit.unlink()
    broken.wait_for("gone-but-live", app="victim")
    wait_settled(broken)
    time.sleep(1)  # the ref moves when the hook has ended
    again = broken.git("push", "paas", "main", cwd=app)
    assert "Everything up-to-date" in again.stderr
    faults.clear()


def test_the_client_goes_and_the_deploy_fails(broken, faults):
    """The next push begins with what became of the last."""
    app = broken.folder / "app"
    good = (app / "Procfile").read_text()
    (app / "Procfile").write_text("web: false\n")
    broken.commit(app, "bad")
    faults.order("release.starting", "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit("release.starting")
    cut(push)
    hit.unlink()
    wait_settled(broken)
    (app / "Procfile").write_text(good)
    broken.set_version(app, "mended")
    again = broken.git("push", "paas", "main", cwd=app)
    lines = [line for line in again.stderr.splitlines() if line.startswith("remote:")]
    assert "after you had left" in lines[0]
    assert "web.1" in "".join(lines[:4])
    listed = broken.paas("builds", cwd=app).stdout
    assert "failed" in listed and "succeeded" in listed
    broken.wait_for("mended", app="victim")


@pytest.mark.by_nix
def test_a_second_push_is_refused_and_the_first_can_be_cancelled(broken, faults):
    app = change(broken, "cancelled")
    faults.order("build.unpacked", "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit("build.unpacked")
    second = broken.git("push", "paas", "main", cwd=app, check=False)
    assert second.returncode != 0 and "builds:cancel" in second.stderr
    broken.paas("builds:cancel", cwd=app)
    hit.unlink()
    output, _ = push.communicate(timeout=60)
    assert "ancelled" in output and push.returncode != 0
    assert_sound(broken, app, "cancelled")


@pytest.mark.parametrize("point", ARROWS)
def test_the_worker_dies(broken, faults, point):
    app = change(broken, f"worker-{point}")
    faults.order(point, "kill")
    push = push_in_background(broken, app)
    faults.wait_hit(point)
    output, _ = push.communicate(timeout=90)
    faults.clear()
    assert "Traceback" not in output
    assert_sound(broken, app, f"worker-{point}")
