from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paas.launcher import leftovers
from paas.launcher.bound import PARENT_VARIABLE
from paas.launcher.orders import Order, write_order
from tests.launcher.conftest import eventually

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "panel").mkdir(mode=0o700)
    return tmp_path / "panel"


def _held(folder: Path) -> dict[str, int]:
    return leftovers.running(folder.parent, folder.name)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _parent_of(command: list[str]) -> subprocess.Popen[bytes]:
    """A process whose only child is `command`."""
    code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", code, *command])


@pytest.mark.parametrize("death_signal", ["SIGTERM", "SIGKILL"])
def test_it_ends_when_its_parent_is_killed(folder: Path, death_signal: str) -> None:
    parent = _parent_of(write_order(folder, Order("part", SLEEP, death_signal=death_signal)))
    eventually(lambda: _held(folder), "the part runs")
    pid = _held(folder)["part"]
    parent.kill()
    parent.wait()
    eventually(lambda: _gone(pid), "the part has ended")
    assert not _held(folder)


def test_it_does_not_start_for_a_parent_that_is_gone(folder: Path) -> None:
    command = write_order(folder, Order("part", ["true"]))
    done = subprocess.run(
        command, env={**os.environ, PARENT_VARIABLE: "1"}, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"parent has ended" in done.stderr


def test_the_second_waits_until_the_first_has_ended(folder: Path, tmp_path: Path) -> None:
    command = write_order(folder, Order("part", SLEEP))
    first = subprocess.Popen(command)
    eventually(lambda: _held(folder).get("part") == first.pid, "the first runs")
    second = subprocess.Popen(command)
    assert _held(folder)["part"] == first.pid
    first.kill()
    first.wait()
    eventually(lambda: _held(folder).get("part") == second.pid, "the second runs")
    second.kill()
    second.wait()


def test_blocked_signals_and_a_loose_umask_are_not_inherited(folder: Path) -> None:
    code = "import os, signal; print(signal.pthread_sigmask(0, []), oct(os.umask(0)))"
    command = write_order(folder, Order("part", [sys.executable, "-c", code]))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert done.stdout.split() == ["set()", "0o77"]


def test_arguments_and_environment_arrive_as_they_are(folder: Path) -> None:
    odd = "a b%(here)s;\"'$(x)\n*"
    code = "import os, sys; sys.stdout.write(sys.argv[1] + os.environ['ODD'])"
    order = Order("part", [sys.executable, "-c", code, odd], {"ODD": odd})
    done = subprocess.run(write_order(folder, order), capture_output=True, text=True, check=True)
    assert done.stdout == odd + odd


def test_a_lock_that_nobody_holds_is_not_running(folder: Path) -> None:
    subprocess.run(write_order(folder, Order("part", ["true"])), check=True)
    assert (folder / "part.lock").exists()
    assert _held(folder) == {}


def test_what_was_left_behind_is_ended_with_its_children(folder: Path) -> None:
    code = "import os, time; os.fork(); time.sleep(600)"  # as a server with one worker
    command = write_order(folder, Order("part", [sys.executable, "-c", code]))
    left = subprocess.Popen(command, process_group=0)
    eventually(lambda: "part" in _held(folder), "the part runs")
    assert leftovers.end_all(folder.parent) == ["part"]
    assert left.wait(30) == -signal.SIGKILL
    assert _held(folder) == {}
