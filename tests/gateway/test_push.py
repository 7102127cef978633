"""A push to the deploy branch, from git's side."""

from __future__ import annotations

import tarfile

from tests.gateway.panel import FakePanel
from tests.gateway.world import Person, refs


def test_a_push_is_deployed_and_shows_the_build(alice: Person, panel: FakePanel) -> None:
    app = panel.create(output=("-----> Python app detected", "       Größe: 3"))
    commit = alice.remote(app).commit("Say hello\n\nAt length.")
    push = alice.push()
    assert push.returncode == 0, push.stderr
    lines = [line.rstrip() for line in push.stderr.splitlines()]
    start = lines.index("remote: -----> Python app detected")
    assert lines[start : start + 4] == [
        "remote: -----> Python app detected",
        "remote:        Größe: 3",
        "remote:        Released v1",
        "remote: Verifying deploy... done.",
    ]
    build = app.builds[0]
    assert (build.commit, build.message, build.delivered) == (commit, "Say hello", True)
    assert refs(app) == {"refs/heads/main": commit}
    with tarfile.open(build.archive) as archive:
        assert archive.getnames() == ["app.py"]


def test_what_was_pushed_can_be_cloned(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    assert alice.push().returncode == 0
    print(alice.git("clone", alice.clone_url(app), "copy"))
    assert alice.git("-C", "copy", "rev-parse", "HEAD").stdout.strip() == commit
