"""A push to the deploy branch, from git's side."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from tests.gateway.panel import FakePanel
from tests.gateway.world import Person, refs, remote_lines, wait_for


def test_a_push_is_deployed_and_shows_the_build(alice: Person, panel: FakePanel) -> None:
    app = panel.create(output=("-----> Python app detected", "       Größe: 3"))
    commit = alice.remote(app).commit("Say hello\n\nAt length.")
    push = alice.push()
    assert push.returncode == 0, push.stderr
    assert remote_lines(push) == [
        "-----> Python app detected",
        "       Größe: 3",
        "       Released v1",
        "Verifying deploy... done.",
    ]
    build = app.builds[0]
    assert (build.commit, build.message) == (commit, "Say hello")
    assert refs(app) == {"refs/heads/main": commit}
    with tarfile.open(build.archive) as archive:
        assert archive.getnames() == ["app.py"]
    wait_for(lambda: build.delivered is not None, "the end is reported")
    assert build.delivered is True


def test_what_was_pushed_can_be_cloned(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    assert alice.push().returncode == 0
    alice.git("clone", "-q", alice.clone_url(app), "copy")
    assert alice.git("-C", "copy", "rev-parse", "HEAD").stdout.strip() == commit


def test_lines_reach_the_client_while_the_build_runs(alice: Person, panel: FakePanel) -> None:
    app = panel.create(automatic=False, output=("-----> first",))
    alice.remote(app).commit()
    push = alice.start_push()
    assert push.stderr
    assert push.stderr.readline().strip() == "remote: -----> first"
    app.builds[0].write("-----> second")
    assert push.stderr.readline().strip() == "remote: -----> second"
    app.builds[0].finish()
    assert "Verifying deploy... done." in push.communicate()[1]


def test_a_failed_build_rejects_the_push(alice: Person, panel: FakePanel) -> None:
    app = panel.create(result="failed")
    alice.remote(app).commit()
    push = alice.push()
    assert push.returncode == 1
    assert remote_lines(push)[1:] == [
        " !     Push rejected, failed to compile Python app.",
        "",
        " !     Push failed",
        "Verifying deploy...",
        f"!\tPush rejected to {app.name}.",
    ]
    assert " ! [remote rejected] main -> main (pre-receive hook declined)" in push.stderr
    assert refs(app) == {}


def test_a_cancelled_build_rejects_the_push(alice: Person, panel: FakePanel) -> None:
    app = panel.create(result="cancelled")
    alice.remote(app).commit()
    assert alice.push().returncode == 1
    assert refs(app) == {}


def test_what_became_of_the_last_push_comes_first(alice: Person, panel: FakePanel) -> None:
    app = panel.create(notices=(" !     Your last push failed: see `paas builds:info`.",))
    alice.remote(app).commit()
    assert remote_lines(alice.push())[0] == app.notices[0]


def test_a_second_push_is_refused_while_one_is_deployed(alice: Person, panel: FakePanel) -> None:
    app = panel.create(automatic=False)
    first = alice.remote(app).commit()
    push = alice.start_push()
    wait_for(lambda: app.builds and app.builds[0].started, "the first push deploys")
    alice.commit()
    second = alice.push()
    assert second.returncode == 1
    assert " !     Another push is being deployed." in remote_lines(second)
    app.builds[0].finish()
    assert push.wait() == 0
    assert refs(app) == {"refs/heads/main": first}


def test_what_is_live_already_is_accepted(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    app.live, app.release = alice.remote(app).commit(), 7
    push = alice.push()
    assert push.returncode == 0
    assert remote_lines(push) == ["-----> already live as v7", "       http://app.test/"]
    assert refs(app) == {"refs/heads/main": app.live}


def test_a_force_push_is_deployed(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    alice.push()
    alice.git("checkout", "-q", "--orphan", "anew")
    commit = alice.commit()
    assert alice.push("anew:main").returncode == 1
    assert alice.push("--force", "anew:main").returncode == 0
    assert refs(app) == {"refs/heads/main": commit}


def test_a_quiet_build_keeps_the_connection_alive(alice: Person, panel: FakePanel) -> None:
    app = panel.create(automatic=False)
    alice.remote(app).commit()
    trace = alice.folder / "trace"
    push = alice.start_push(GIT_TRACE_PACKET=str(trace))
    wait_for(lambda: re.search(r"sideband< \\1\s*$", _text(trace), re.MULTILINE), "an empty packet")
    app.builds[0].finish()
    assert push.communicate() and push.returncode == 0


def test_a_log_with_cut_lines_is_shown_whole(alice: Person, panel: FakePanel) -> None:
    app = panel.create(automatic=False)
    alice.remote(app).commit()
    push = alice.start_push()
    wait_for(lambda: app.builds and app.builds[0].started, "the push deploys")
    with app.builds[0].log.open("ab", buffering=0) as log:
        log.write(b"half ")
        log.write("Größe".encode()[:3])
        log.write("Größe".encode()[3:] + b"\n")
        log.write(b'\0{"state": "succ')
        log.write(b'eeded", "release": "v1", "url": null}')
    assert "remote: half Größe" in push.communicate()[1]
    assert push.returncode == 0


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
