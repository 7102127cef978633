"""The real `paas` command as a process, a fake panel, and real repositories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.panel import FakePanel

Run = Callable[..., subprocess.CompletedProcess[str]]
TOKEN = "secret-token-1234"


@pytest.fixture
def panel() -> Iterator[FakePanel]:
    made = FakePanel()
    yield made
    made.stop()


@pytest.fixture
def environment(tmp_path: Path, panel: FakePanel) -> dict[str, str]:
    home = tmp_path / "user"
    home.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PAAS_URL": panel.url,
        "PAAS_TOKEN": TOKEN,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
        "GIT_TERMINAL_PROMPT": "0",
    }


@pytest.fixture
def paas(tmp_path: Path, environment: Mapping[str, str]) -> Run:
    """`paas("ps", "-a", "hello")` runs the command in an empty folder, or in `cwd`."""
    empty = tmp_path / "nowhere"
    empty.mkdir()

    def run(
        *arguments: str | bytes, cwd: Path = empty, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from paas.cli.main import main; main()", *arguments],
            cwd=cwd,
            env={**environment, **extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", "-b", "main", made], check=True)
    return made
