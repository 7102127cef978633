"""A PostgreSQL of the tests' own: `python -m tests.postgres PYTEST-ARGUMENTS...` runs tests on it.

It lives in a temporary folder on a free loopback port, and ends with whoever asked for it. Of the
tests that are named, those run that open the database or start an instance; each instance gets a
database of its own (see `tests/e2e/world.py`).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.ports import free_port

_CHECKOUT = Path(__file__).resolve().parents[1]
_PASSWORD = "p/w:@ '%"
_QUOTED = "p%2Fw%3A%40%20%27%25"
_PATIENCE = 60.0  # seconds
# What is lost with the machine's power is of no use to a test.
_HASTY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400")


def tool(name: str) -> str | None:
    """The newest `name` of PostgreSQL's; Debian keeps the server's off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


def installed() -> bool:
    return all(map(tool, ("initdb", "postgres", "pg_dump", "pg_restore")))


@dataclass
class Server:
    """One in `folder`; `url` names it without a database."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://paas:{_QUOTED}@127.0.0.1:{self.port}"

    def make(self) -> None:
        """Its files."""
        secret = self.folder / "pw"
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        initdb = [tool("initdb"), "-D", str(self._data), "-U", "paas", "-A", "scram-sha-256"]
        initdb += ["--no-sync", f"--pwfile={secret}"]
        subprocess.run(initdb, check=True, capture_output=True, **self._user)

    def start(self) -> None:
        """Until it answers."""
        options = ["-p", str(self.port), "-k", str(self.folder), "-c", "listen_addresses=127.0.0.1"]
        hasty = [word for setting in _HASTY for word in ("-c", setting)]
        command = [tool("postgres"), "-D", str(self._data), *options, *hasty]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **self._user)
        _wait_for(f"{self.url}/postgres")

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT is PostgreSQL's "fast": connections are cut."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _user(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam("nobody")
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        return {
            "user": user.pw_uid,
            "group": user.pw_gid,
            "extra_groups": [],
            "cwd": str(self.folder),
        }


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """One that runs."""
    # Not a folder of pytest's: those are closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="paas-postgres-") as folder:
        made = Server(Path(folder))
        made.make()
        try:
            made.start()
            yield made
        finally:
            made.stop()


def make_database(url: str, name: str = "") -> str:
    """The URL of a new, empty database of the server at `url`, which may name another one."""
    here = urlsplit(url)
    name = name or f"paas_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(here._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return here._replace(path=f"/{name}").geturl()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """pytest's exit status."""
    with server() as postgres:
        environment = os.environ | {"DATABASE_URL": make_database(postgres.url, "paas")}
        argv = [sys.executable, "-m", "pytest", "-p", "tests.with_database", *arguments]
        return subprocess.run(argv, cwd=_CHECKOUT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
