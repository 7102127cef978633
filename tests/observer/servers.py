"""A redis-server of the test's own, and patience."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis


class RedisServer:
    """A redis-server that tests may kill and start again; its data stay."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        beside = Path(sys.executable).parent / "redis-server"
        program = shutil.which("redis-server") or str(beside)
        settings = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [program, *settings, "--appendonly", "yes", "--loglevel", "warning"],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Poll until `condition()` is true; the bound is generous on purpose."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
