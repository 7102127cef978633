"""What hostile code must not reach, proven as root and as a plain user."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sandbox.conftest import Box

CANARY = "canary-4711"


def test_files_of_the_panel_and_of_people_are_not_there(box: Box) -> None:
    (box.home / "secret").write_text(CANARY)
    box.give(box.home)
    answer = box.run(
        f"cat {box.home}/secret; ls {box.home} {Path.home()} /home /var/lib /srv; "
        "find / -xdev -name secret -exec cat {} +"
    )
    assert CANARY not in answer["output"]
    assert "No such file" in answer["output"]


def test_another_apps_files_are_not_there(box: Box) -> None:
    other = box.folder / "other"
    other.mkdir()
    (other / "app.py").write_text(CANARY)
    box.give(other)
    (box.lower / "own").write_text("mine")
    answer = box.run(
        f"cat /app/own; cat {other}/app.py /app/../other/app.py",
        overlay=[str(box.lower), str(box.scratch)],
    )
    assert answer["output"].startswith("mine")
    assert CANARY not in answer["output"]


def test_a_socket_of_the_panel_cannot_be_reached(box: Box) -> None:
    path = box.home / "panel.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o777)
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
        answer = box.run(f'python3 -c "{code}"', network=True)
    assert answer["status"] != 0
    assert "FileNotFoundError" in answer["output"]


def test_other_processes_are_neither_seen_nor_signalled(box: Box) -> None:
    with subprocess.Popen(["sleep", "60"], env={"SECRET": CANARY, "PATH": os.defpath}) as other:
        answer = box.run(
            f"cat /proc/*/environ | tr '\\0' '\\n'; ls /proc | grep -c '^[0-9]'; kill {other.pid}"
        )
        assert other.poll() is None
        other.kill()
    assert CANARY not in answer["output"]
    numbers = [int(line) for line in answer["output"].split() if line.isdigit()]
    assert numbers[0] <= 5  # bubblewrap's, the shell, ls and grep


def test_without_network_nothing_can_be_reached(box: Box) -> None:
    with _server() as port:
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        closed = box.run(f'python3 -c "{code}"')
        assert box.run(f'python3 -c "{code}"', network=True)["status"] == 0
    assert closed["status"] != 0
    assert "ConnectionRefused" in closed["output"] or "unreachable" in closed["output"]


def test_its_own_loopback_works_without_network(box: Box) -> None:
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname()); print('talked')"
    )
    assert "talked" in box.run(f'python3 -c "{code}"')["output"]


def test_the_system_cannot_be_written(box: Box) -> None:
    answer = box.run(
        "for f in /x /etc/x /usr/x /dev/x /opt/paas/x /run/x; do touch $f; done; ls /x"
    )
    assert "File exists" not in answer["output"]
    assert answer["status"] != 0
    for refused in ("/x", "/etc/x", "/usr/x", "/dev/x", "/opt/paas/x", "/run/x"):
        assert f"cannot touch '{refused}'" in answer["output"]


def test_there_are_no_rights_left(box: Box) -> None:
    answer = box.run("id -u; cat /proc/self/status; unshare -m true || mount -t tmpfs x /tmp")
    lines = dict(line.split(":", 1) for line in answer["output"].splitlines() if ":" in line)
    assert answer["output"].splitlines()[0] != "0"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(lines[name], 16) == 0, name
    assert lines["NoNewPrivs"].strip() == "1"
    assert answer["status"] != 0


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_each_app_is_a_user_of_its_own(box: Box) -> None:
    user = int(box.run("id -u")["output"])
    assert user > 1000 if box.who == "user" else user > 20_000


def test_the_users_environment_steers_neither_bubblewrap_nor_setpriv(box: Box) -> None:
    answer = box.run(":", environment={"LD_PRELOAD": "/nowhere/evil.so"})
    assert answer["status"] == 0
    assert answer["output"].count("cannot be preloaded") == 1  # the shell's own start


def test_config_vars_show_in_no_process_list(box: Box) -> None:
    answer = box.run("echo started; exec sleep 60", environment={"SECRET": CANARY}, stop_after=5.0)
    assert "bwrap" in answer["outside"]
    assert CANARY not in answer["outside"]
    assert str(box.home) not in answer["outside"]


def test_the_command_gets_its_environment_and_nothing_else(box: Box) -> None:
    value = "sp ace\nline $(id) %s ü"
    answer = box.run("env -0 | tr '\\0' '|'; ls /proc/self/fd", environment={"VALUE": value})
    shown, _, descriptors = answer["output"].rpartition("|")
    names = {entry.partition("=")[0] for entry in shown.split("|")}
    assert f"VALUE={value}" in shown.split("|")
    assert names <= {"VALUE", "PATH", "PWD", "_", "SHLVL", "OLDPWD"}
    assert descriptors.split() == ["0", "1", "2", "3"]  # the last is that of `ls`


def test_an_app_sees_nothing_of_its_sandbox_in_the_first_process(box: Box) -> None:
    answer = box.run("tr '\\0' ' ' </proc/1/cmdline")
    assert str(box.folder) not in answer["output"]


@contextmanager
def _server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
