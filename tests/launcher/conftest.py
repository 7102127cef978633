"""Real launchers in temporary homes, on free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paas.instance import Instance, current
from paas.launcher import health, leftovers

PATIENCE = 90.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


class Launcher:
    """One `python -m paas.launcher` and what it prints."""

    python = sys.executable

    def __init__(self, home: Path) -> None:
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PAAS_")},
            "PAAS_HOME": str(home),
            "PAAS_PORT": str(free_port()),
            "PAAS_SSH_PORT": str(free_port()),
        }
        self.output = home.parent / f"{home.name}.out"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def instance(self) -> Instance:
        return current(self.environment)

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [self.python, "-m", "paas.launcher"],
                env=self.environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start_and_wait(self) -> None:
        self.start()
        eventually(lambda: "paas is up" in self.said or self.ended, "the banner")
        assert not self.ended, self.said

    @property
    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    @property
    def healthy(self) -> bool:
        return health.healthz(self.instance)[0] == 200

    def parts(self) -> dict[str, int]:
        return leftovers.running(self.instance.run, leftovers.PANEL)

    def trees(self) -> dict[str, int]:
        return leftovers.running(self.instance.run, leftovers.TREES)

    def interrupt(self) -> int:
        """What Ctrl-C does; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def clean_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        leftovers.end_all(self.instance.run)


@pytest.fixture
def make_launcher(tmp_path: Path) -> Iterator[Callable[[str], Launcher]]:
    """Launchers for homes below `tmp_path`; none outlives the test."""
    made: list[Launcher] = []

    def make(name: str = "home") -> Launcher:
        made.append(Launcher(tmp_path / name))
        return made[-1]

    yield make
    for launcher in made:
        launcher.clean_up()


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance with nothing made yet."""
    return current({"PAAS_HOME": str(tmp_path / "home"), "PAAS_RUN": str(tmp_path / "run")})
