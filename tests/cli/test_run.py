"""run and run:detached: the command line, and what goes wrong before a process is there."""

from __future__ import annotations

import socket

import pytest

from paas.certificates import ensure_authority
from paas.cli.command_line import split
from paas.instance import Instance
from paas.keys import ensure_keys
from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

DYNOS = "POST /apps/hello/dynos"
OPTIONS = {"-a": True, "--app": True, "-x": False}


@pytest.mark.parametrize(
    ("typed", "own", "other"),
    [
        ("bash -a hello", "-a hello", "bash"),
        ("-a hello ls -la", "-a hello", "ls -la"),
        ("--app=hello -x ls --color=auto", "--app=hello -x", "ls --color=auto"),
        ("-a hello -- ls -a -x", "-a hello", "ls -a -x"),
        ("ls -- -a", "", "ls -a"),
        ("ls -a", "-a", "ls"),
    ],
)
def test_options_may_stand_behind_the_command(typed: str, own: str, other: str) -> None:
    assert split(typed.split(), OPTIONS) == (own.split(), other.split())


def test_what_is_asked_for(paas: Run, panel: FakePanel) -> None:
    panel.on(DYNOS, Reply({"id": "invalid_params", "message": "No."}, 422))
    asked = ("run", "-e", "A=1", "echo", "a b", "-s", "standard-2x", "-e", "B=x=y", "-a", "hello")
    assert paas(*asked).returncode == 1
    assert panel.bodies(DYNOS) == [
        {
            "command": "echo 'a b'",
            "env": {"A": "1", "B": "x=y"},
            "size": "standard-2x",
            "attach": True,
            "force_no_tty": True,
        }
    ]


@pytest.mark.parametrize("wrong", ["A", "=1", ""])
def test_env_has_a_name_and_a_value(paas: Run, panel: FakePanel, wrong: str) -> None:
    assert paas("run", "-a", "hello", "-e", wrong, "true").returncode == 2
    assert not panel.asked


def test_nobody_listens(paas: Run, panel: FakePanel, authority: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"rendezvous://127.0.0.1:{probe.getsockname()[1]}/secret"
    panel.on(DYNOS, Reply({"name": "run.1", "attach_url": url}, 201))
    panel.on("GET /ca.pem", Reply(raw=authority.encode()))
    done = paas("run", "-a", "hello", "true")
    assert done.returncode == 1
    assert "PAAS_RENDEZVOUS_PORT" in done.stderr and "Traceback" not in done.stderr


def test_somebody_else_listens(paas: Run, panel: FakePanel, authority: str) -> None:
    """What is no TLS, or another's, gets no secret."""
    url = panel.url.replace("http", "rendezvous") + "/secret"
    panel.on(DYNOS, Reply({"name": "run.1", "attach_url": url}, 201))
    panel.on("GET /ca.pem", Reply(raw=authority.encode()))
    done = paas("run", "-a", "hello", "true")
    assert done.returncode == 1 and "is not this panel" in done.stderr


def test_stop(paas: Run, panel: FakePanel) -> None:
    for path in ("dynos/run.3", "formations/web"):
        panel.on(f"POST /apps/hello/{path}/actions/stop", Reply({}, 202))
        assert paas("ps:stop", path.rpartition("/")[2], "-a", "hello").returncode == 0


@pytest.fixture
def authority(tmp_path) -> str:
    instance = Instance(tmp_path / "home", tmp_path / "run", 1, 2, "127.0.0.1", "localhost")
    ensure_keys(instance)
    ensure_authority(instance)
    return instance.authority.read_text()
