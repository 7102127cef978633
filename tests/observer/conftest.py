"""A real Redis on a unix socket, and an instance in a temporary folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.instance import Instance

from .servers import RedisServer


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="paas-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def instance(short_dir: Path) -> Instance:
    here = Instance(
        home=short_dir / "home",
        run=short_dir / "run",
        port=8080,
        ssh_port=2222,
        bind="127.0.0.1",
        domain="localhost",
    )
    here.run.mkdir(mode=0o700)
    here.app_logs.mkdir(parents=True, mode=0o700)
    here.router_log.parent.mkdir(parents=True)
    return here


@pytest.fixture
def redis_server(short_dir: Path) -> Iterator[RedisServer]:
    server = RedisServer(short_dir)
    server.start()
    yield server
    server.kill()
