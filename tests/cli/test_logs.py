"""logs: sessions, cuts, hostile lines, Ctrl-C, broken pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paas.cli.sse import Event, events
from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

SESSIONS = "POST /apps/hello/log-sessions"
COMMAND = "from paas.cli.main import main; main()"
LINE = "2026-11-23T12:00:00.000000+00:00 app[web.1]: "


@pytest.fixture(autouse=True)
def session(panel: FakePanel) -> None:
    panel.on(SESSIONS, Reply({"logplex_url": f"{panel.url}/streams/logs/1"}, 201))


def _event(key: str, text: str) -> bytes:
    return f"id: {key}\ndata: {LINE}{text}\n\n".encode()


def test_the_last_lines(paas: Run, panel: FakePanel) -> None:
    panel.on(
        "GET /streams/logs/1", Reply(chunks=[b": hi\n\n" + _event("1-0", "a"), _event("2-0", "b")])
    )
    result = paas("logs", "-a", "hello", "-n", "7", "--ps", "web", "--source", "app")
    assert result.stdout == f"{LINE}a\n{LINE}b\n"
    assert result.returncode == 0
    wanted = {"lines": 7, "tail": False, "dyno": "web", "source": "app"}
    assert panel.bodies(SESSIONS) == [wanted]


def test_after_a_cut_it_goes_on_behind_the_last_event(paas: Run, panel: FakePanel) -> None:
    panel.on(
        "GET /streams/logs/1",
        Reply(chunks=[_event("1-0", "a"), b"id: 2-0\ndata: ha"], cut=True),
        Reply(chunks=[_event("2-0", "b")]),
    )
    result = paas("logs", "-a", "hello")
    assert result.stdout == f"{LINE}a\n{LINE}b\n"
    assert panel.asked[-1].headers["Last-Event-ID"] == "1-0"


def test_an_expired_session_is_opened_anew(paas: Run, panel: FakePanel) -> None:
    panel.on(
        "GET /streams/logs/1",
        Reply(chunks=[_event("1-0", "a")], cut=True),
        Reply({"id": "not_found", "message": "Expired."}, 404),
        Reply(chunks=[_event("2-0", "b")]),
    )
    assert paas("logs", "-a", "hello").stdout == f"{LINE}a\n{LINE}b\n"
    assert len(panel.bodies(SESSIONS)) == 2


def test_tail_outlives_a_restart_of_the_panel(
    panel: FakePanel, environment: dict[str, str], tmp_path: Path
) -> None:
    panel.on(
        "GET /streams/logs/1",
        Reply(chunks=[_event("1-0", "a")]),
        Reply(raw=b"", status=502),
        Reply(chunks=[_event("2-0", "b")]),
    )
    process = _tail(environment, tmp_path)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in "ab"] == [f"{LINE}a\n", f"{LINE}b\n"]
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == ""


def test_lines_cannot_command_the_terminal(paas: Run, panel: FakePanel) -> None:
    hostile = "\x1b[2Jcl\x1b]0;title\x07ear\u202e\x9b31m"
    panel.on("GET /streams/logs/1", Reply(chunks=[_event("1-0", hostile)]))
    assert paas("logs", "-a", "hello").stdout == f"{LINE}cl]0;titleear31m\n"
    raw = json.loads(paas("logs", "-a", "hello", "--json").stdout)
    assert raw == {"id": "1-0", "line": LINE + hostile}


def _tail(environment: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "logs", "--tail", "-a", "hello"],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_is_quiet(panel: FakePanel, environment: dict[str, str], tmp_path: Path) -> None:
    panel.on("GET /streams/logs/1", Reply(chunks=[_event("1-0", "a")]))
    process = _tail(environment, tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


def test_a_closed_pipe_is_quiet(
    panel: FakePanel, environment: dict[str, str], tmp_path: Path
) -> None:
    panel.on("GET /streams/logs/1", Reply(chunks=[_event("1-0", "a")]))
    process = _tail(environment, tmp_path)
    assert process.stdout is not None and process.stderr is not None
    os.read(process.stdout.fileno(), 1)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=60)
    process.stderr.close()


def test_events_survive_any_chunking() -> None:
    stream = b"id: 1\ndata: a\ndata:b\n\n: beat\n\ndata: \xc3\xa9\r\n\r\ndata: lost"
    expected = [Event("1", "a\nb"), Event("1", "é")]
    assert list(events([stream])) == expected
    assert list(events(bytes([byte]) for byte in stream)) == expected
