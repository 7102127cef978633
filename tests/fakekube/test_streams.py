"""Logs, attach and exec: by raw requests, by kubectl, and with a terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pexpect
import pytest
import websocket

from .conftest import Http, Kubectl, eventually
from .faults import PodFault
from .server import FakeKube

PODS = "/api/v1/namespaces/default/pods"
TALK = "echo one; echo two >&2; printf three; sleep 0.3; echo; sleep 600 & wait"


def run(http: Http, *command: str, name: str = "p", **container: Any) -> str:
    """Starts a one-off; its path."""
    main = {"name": "main", "image": "x:1", "command": list(command), **container}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"restartPolicy": "Never", "containers": [main]},
    }
    assert http.apply(body).status_code == 201
    return f"{PODS}/{name}"


def state(http: Http, path: str) -> dict[str, Any]:
    rows = http.get(path)["status"].get("containerStatuses", [{}])
    return dict(rows[0].get("state", {}))


def running(http: Http, *command: str, **container: Any) -> str:
    path = run(http, *command, **container)
    eventually(lambda: "running" in state(http, path))
    return path


class Channels:
    """A websocket to attach or exec, by hand."""

    def __init__(self, http: Http, path: str, query: str, protocol: str = "v5") -> None:
        self.socket = websocket.create_connection(
            f"{http.url.replace('http', 'ws', 1)}{path}?{query}",
            subprotocols=[f"{protocol}.channel.k8s.io"], timeout=10,
        )  # fmt: skip

    def send(self, channel: int, data: bytes) -> None:
        self.socket.send_binary(bytes([channel]) + data)

    def until_end(self) -> tuple[dict[int, bytes], dict[str, Any]]:
        """(output by channel, final status)"""
        output: dict[int, bytes] = {}
        while True:
            frame = self.socket.recv()
            assert isinstance(frame, bytes)
            if frame[0] == 3:
                return output, json.loads(frame[1:])
            output[frame[0]] = output.get(frame[0], b"") + frame[1:]


# --- logs -----------------------------------------------------------------
def test_logs_join_both_streams_and_whole_lines(http: Http) -> None:
    path = running(http, "sh", "-c", TALK)
    eventually(lambda: http("GET", f"{path}/log").text.count("\n") == 3)
    assert sorted(http("GET", f"{path}/log").text.split()) == ["one", "three", "two"]
    stamped = http("GET", f"{path}/log", params={"timestamps": "true"}).text.splitlines()
    assert all(len(line.split(" ")[0]) == len("2026-11-23T06:52:36.335006126Z") for line in stamped)
    assert http("GET", f"{path}/log", params={"tailLines": "1"}).text == "three\n"
    assert http("GET", f"{path}/log", params={"tailLines": "0"}).text == ""
    assert len(http("GET", f"{path}/log", params={"limitBytes": "5"}).text) == 5
    later = {"sinceTime": "2099-01-01T00:00:00Z"}
    assert http("GET", f"{path}/log", params=later).text == ""


@pytest.mark.parametrize(
    ("params", "status", "text"),
    [
        ({"tailLines": "-1"}, 422, "must be greater than or equal to 0"),
        ({"sinceTime": "2026-01-01T00:00:00Z", "sinceSeconds": "1"}, 422, "at most one of"),
        ({"stream": "Stdout"}, 422, "may not be specified"),
        ({"container": "no"}, 400, "container no is not valid for pod p"),
        (
            {"previous": "true"},
            400,
            'previous terminated container "main" in pod "p" not found',
        ),
    ],
)
def test_refused_log_options(http: Http, params: Any, status: int, text: str) -> None:
    path = running(http, "sleep", "60")
    answer = http("GET", f"{path}/log", params=params)
    assert answer.status_code == status
    assert text in answer.json()["message"]


def test_no_log_before_the_start(kube: FakeKube, http: Http) -> None:
    kube.cluster.faults.pods.append(PodFault("pull"))
    path = run(http, "true")
    eventually(lambda: state(http, path).get("waiting", {}).get("reason") == "ErrImagePull")
    answer = http("GET", f"{path}/log", params={"follow": "true"})
    assert answer.status_code == 400
    assert answer.json()["message"] in (
        'container "main" in pod "p" is waiting to start: image can\'t be pulled',
        'container "main" in pod "p" is waiting to start: trying and failing to pull image',
    )
    assert http("GET", f"{PODS}/nobody/log").status_code == 404


def test_following_ends_with_the_container(http: Http, kubectl: Kubectl) -> None:
    run(http, "sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.1; done; exit 5")
    eventually(lambda: "waiting" not in state(http, f"{PODS}/p"))
    assert kubectl("logs", "-f", "p").split() == ["1", "2", "3"]
    assert state(http, f"{PODS}/p")["terminated"]["exitCode"] == 5
    assert http("DELETE", f"{PODS}/p").status_code == 200
    eventually(lambda: http("GET", f"{PODS}/p/log").status_code == 404)


def test_long_lines_and_odd_bytes(http: Http) -> None:
    script = "import sys; sys.stdout.buffer.write(b'x' * 40000 + b'\\xff\\r\\nend')"
    path = run(http, "python3", "-c", script)
    eventually(lambda: "terminated" in state(http, path))
    assert http("GET", f"{path}/log").content == b"x" * 40000 + b"\xff\r\nend\n"


# --- exec -----------------------------------------------------------------
@pytest.mark.parametrize("protocol", ["v4", "v5"])
def test_exec_separates_streams_and_reports_the_code(http: Http, protocol: str) -> None:
    path = running(http, "sleep", "60")
    script = quote("echo out; echo err >&2; exit 7")
    query = f"command=sh&command=-c&command={script}&stdout=true&stderr=true"
    output, status = Channels(http, f"{path}/exec", query, protocol).until_end()
    assert output == {1: b"out\n", 2: b"err\n"}
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


def test_exec_input_ends_in_v5(http: Http) -> None:
    path = running(http, "sleep", "60")
    channels = Channels(http, f"{path}/exec", "command=cat&stdin=true&stdout=true")
    channels.send(0, b"hello")
    channels.send(255, b"\x00")
    output, status = channels.until_end()
    assert output[1] == b"hello"
    assert status == {"metadata": {}, "status": "Success"}


def test_exec_of_nothing(http: Http) -> None:
    path = running(http, "sleep", "60")
    _, status = Channels(http, f"{path}/exec", "command=/no/such&stdout=true").until_end()
    assert (status["reason"], status["code"]) == ("InternalError", 500)
    assert "reason" not in status["details"]["causes"][0]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("nobody/exec", "command=true&stdout=true", 404),
        ("p/exec", "command=true&stdout=true&container=no", 400),
        ("p/exec", "command=true", 400),
    ],
)
def test_what_exec_refuses(http: Http, path: str, query: str, status: int) -> None:
    running(http, "sleep", "60")
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Channels(http, f"{PODS}/{path}", query)
    assert refused.value.status_code == status
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Channels(http, f"{PODS}/p/exec", "command=true&stdout=true", "v9")
    assert refused.value.status_code == 403


# --- attach ---------------------------------------------------------------
def test_attach_ends_with_success_and_the_code_is_in_the_pod(http: Http) -> None:
    path = running(
        http, "sh", "-c", "read line; echo got $line; exit 5", stdin=True, stdinOnce=True
    )
    channels = Channels(http, f"{path}/attach", "stdin=true&stdout=true&stderr=true")
    channels.send(0, b"hi\n")
    output, status = channels.until_end()
    assert output[1] == b"got hi\n"
    assert status["status"] == "Success"
    assert state(http, path)["terminated"]["exitCode"] == 5
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Channels(http, f"{path}/attach", "stdout=true")
    assert refused.value.status_code == 500


def test_a_terminal_has_a_size(http: Http) -> None:
    script = "read line; stty size; exit 0"
    path = running(http, "sh", "-c", script, stdin=True, stdinOnce=True, tty=True)
    channels = Channels(http, f"{path}/attach", "stdin=true&stdout=true&tty=true")
    channels.send(4, b'{"Width":132,"Height":43}')
    channels.send(0, b"\n")
    output, _ = channels.until_end()
    assert output[1].endswith(b"43 132\r\n")


def test_who_leaves_a_pipe_ends_it_who_leaves_a_terminal_does_not(http: Http) -> None:
    pipe = running(http, "cat", stdin=True, stdinOnce=True)
    Channels(http, f"{pipe}/attach", "stdin=true&stdout=true").socket.close()
    eventually(lambda: state(http, pipe).get("terminated", {}).get("reason") == "Completed")
    tty = running(http, "cat", name="tty", stdin=True, stdinOnce=True, tty=True)
    Channels(http, f"{tty}/attach", "stdin=true&stdout=true&tty=true").socket.close()
    time.sleep(0.3)
    assert "running" in state(http, tty)
    again = Channels(http, f"{tty}/attach", "stdin=true&stdout=true&tty=true")
    again.send(0, b"\x04")
    assert again.until_end()[1]["status"] == "Success"


def test_kubectl_in_a_terminal(kube: FakeKube, kubectl: Kubectl, tmp_path: Path) -> None:
    argv = ["run", "shell", "--image=x", "--restart=Never", "-it", "--rm", "--command", "--"]
    script = 'echo ready; read name; echo "hello $name from $(tty | cut -c1-8)"; exit 4'
    child = pexpect.spawn(
        kubectl.argv[0], [*kubectl.argv[1:], *argv, "sh", "-c", script], timeout=20
    )
    time.sleep(0.5)
    child.sendline("Ada")
    child.expect("hello Ada from /dev/pts")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 4
    eventually(lambda: not kube.cluster.all("Pod", "default"))


def test_a_pods_deadline_and_its_grace(http: Http) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "late", "namespace": "default"},
        "spec": {
            "restartPolicy": "Never", "activeDeadlineSeconds": 5,
            "terminationGracePeriodSeconds": 2,
            "containers": [{"name": "main", "image": "x:1", "command": ["sleep", "600"]}],
        },
    }  # fmt: skip
    http.apply(body)
    status = eventually(lambda: _failed(http))
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == ("Pod was active on the node longer than the specified deadline")


def _failed(http: Http) -> Any:
    status = http.get(f"{PODS}/late")["status"]
    return status if status.get("phase") == "Failed" else None
