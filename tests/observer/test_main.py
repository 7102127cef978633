"""`python -m paas.observer` as `make up` starts it, with the real local runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.logs import store
from paas.instance import Instance

from .servers import wait_until

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(instance: Instance) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []
    places = {"PAAS_HOME": str(instance.home), "PAAS_RUN": str(instance.run)}
    root = Path(__file__).resolve().parents[2]

    def begin() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "paas.observer"]
        started.append(subprocess.Popen(command, env=os.environ | places, cwd=root))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_it_works_before_anything_else_is_up_and_ends_at_once(
    instance: Instance, start: Start
) -> None:
    folder = instance.app_logs / "a1"
    folder.mkdir()
    (folder / "web.1.raw").write_bytes(b"hello\n")
    process = start()
    wait_until(lambda: store.tail(folder, 1))
    wait_until((instance.run / "observer.alive").exists)
    process.terminate()
    assert process.wait(30) == 0


def test_when_the_leader_is_killed_the_second_takes_over(instance: Instance, start: Start) -> None:
    folder = instance.app_logs / "a1"
    folder.mkdir()
    leader = start()
    wait_until((instance.run / "observer.alive").exists)
    start()
    leader.kill()
    (folder / "web.1.raw").write_bytes(b"hello\n")
    wait_until(lambda: store.tail(folder, 1))


def test_django_is_not_loaded(instance: Instance) -> None:
    probe = "import sys, paas.observer.__main__; from paas.runtimes.local import LocalRuntime; "
    probe += "sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
