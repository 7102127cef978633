"""Somebody disappears in the middle of a push: the client, the body's end, git, the panel."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import pytest

from tests.gateway.panel import ALICE, App, FakePanel
from tests.gateway.test_http import login
from tests.gateway.world import Gateway, Person, SshDoor, leave, refs, wait_for

PUSH_HEAD = (
    "POST /{app}.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n"
    "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: {length}\r\n\r\n"
)


def push_body(alice: Person, commit: str) -> bytes:
    """What git would send to move main to `commit`."""
    command = f"{'0' * 40} {commit} refs/heads/main\0 report-status side-band-64k\n".encode()
    pack = subprocess.run(
        ["git", "pack-objects", "--revs", "--stdout", "-q"],
        cwd=alice.folder,
        input=commit.encode(),
        capture_output=True,
        check=True,
    ).stdout
    return b"%04x" % (len(command) + 4) + command + b"0000" + pack


class Sender:
    """Something that sends a push's body, all of it or less, and never reads the answer."""

    def __init__(self, alice: Person, gateway: Gateway, app: App) -> None:
        self._door, self._gateway, self._app = alice.door, gateway, app
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def send(self, body: bytes, length: int) -> None:
        """Send `body` as the beginning of one of `length` bytes."""
        if isinstance(self._door, SshDoor):
            self._send_by_ssh(body)
            return
        connection = self._open.enter_context(self._gateway.connect())
        head = PUSH_HEAD.format(app=self._app.name, login=login(), length=length)
        connection.sendall(head.encode() + body)

    def _send_by_ssh(self, body: bytes) -> None:
        assert isinstance(self._door, SshDoor)
        command = [*self._door.command(ALICE), f"git-receive-pack '{self._app.name}.git'"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin
        self._open.enter_context(process)
        process.stdin.write(body)
        process.stdin.flush()
        self._open.callback(process.kill)


def quarantines(app: App) -> list[str]:
    return [path.name for path in (app.repository / "objects").glob("tmp_*")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_deploy_goes_on_when_the_client_leaves(
    alice: Person, panel: FakePanel, number: signal.Signals
) -> None:
    app = panel.create(automatic=False)
    commit = alice.remote(app).commit()
    push = alice.start_push()
    wait_for(lambda: app.builds and app.builds[0].started, "the push deploys")
    leave(push, number)
    app.builds[0].write(*["-----> still building"] * 1000)
    app.builds[0].finish()
    wait_for(lambda: refs(app) == {"refs/heads/main": commit}, "the branch moves")
    wait_for(lambda: app.builds[0].delivered is False, "the client is known to have gone")
    again = alice.push()
    assert again.returncode == 0
    assert "Everything up-to-date" in again.stderr


def test_a_failed_deploy_nobody_saw_moves_nothing(alice: Person, panel: FakePanel) -> None:
    app = panel.create(automatic=False)
    alice.remote(app).commit()
    push = alice.start_push()
    wait_for(lambda: app.builds and app.builds[0].started, "the push deploys")
    leave(push, signal.SIGKILL)
    app.builds[0].finish("failed")
    wait_for(lambda: app.builds[0].delivered is False, "the push ends")
    assert refs(app) == {}
    wait_for(lambda: not quarantines(app), "the quarantine vanishes")


@pytest.mark.parametrize("keep", [0, 3, 60, 150])
def test_a_cut_body_changes_nothing(
    alice: Person, gateway: Gateway, panel: FakePanel, keep: int
) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    body = push_body(alice, commit)
    with Sender(alice, gateway, app) as sender:
        sender.send(body[:keep], len(body))
    assert alice.push().returncode == 0
    assert [build.commit for build in app.builds] == [commit]
    wait_for(lambda: not quarantines(app), "the quarantine vanishes")


def test_a_client_that_reads_nothing_does_not_stop_the_deploy(
    alice: Person, gateway: Gateway, panel: FakePanel
) -> None:
    app = panel.create(output=("x" * 1000,) * 20_000)
    commit = alice.remote(app).commit()
    body = push_body(alice, commit)
    with Sender(alice, gateway, app) as sender:
        sender.send(body, len(body))
        wait_for(lambda: refs(app) == {"refs/heads/main": commit}, "the deploy succeeds")
        wait_for(lambda: app.builds[0].delivered is False, "the client is given up")


def test_the_gateway_outlives_a_killed_receive_pack(alice: Person, panel: FakePanel) -> None:
    app = panel.create(automatic=False)
    alice.remote(app).commit()
    push = alice.start_push()
    wait_for(lambda: app.builds and app.builds[0].started, "the push deploys")
    os.kill(process_of(app), signal.SIGKILL)
    assert push.wait() != 0
    app.builds[0].finish()
    wait_for(lambda: app.builds[0].delivered is False, "the push ends")
    again = alice.push()
    assert again.returncode == 0
    assert "already live as v1" in again.stderr


def process_of(app: App) -> int:
    """The receive-pack that serves `app`."""
    import psutil

    return next(
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "receive-pack" in (process.info["cmdline"] or ())
        and str(app.repository) in process.info["cmdline"]
    )


def test_a_panel_that_restarts_is_waited_for(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    panel.stop()
    push = alice.start_push()
    panel.start()
    assert "Verifying deploy... done." in push.communicate()[1]


def test_a_panel_that_stays_away_is_named(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    panel.stop()
    try:
        push = alice.push()
    finally:
        panel.start()
    assert push.returncode == 128
    assert "The panel is not answering; try again in a moment." in push.stderr
