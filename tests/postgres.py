"""A PostgreSQL of the tests' own: `python -m tests.postgres PYTEST-ARGUMENTS...` runs tests on it.

It lives in a temporary folder on a free loopback port, and ends with whoever asked for it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.world import CHECKOUT, free_port

_PASSWORD = "p/w:@ '%"
_QUOTED = "p%2Fw%3A%40%20%27%25"
_PATIENCE = 60.0  # seconds


def tool(name: str) -> str | None:
    """The newest `name` of PostgreSQL's; Debian keeps the server's off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


def installed() -> bool:
    return all(map(tool, ("initdb", "postgres", "pg_dump", "pg_restore")))


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a running server, without a database's name."""
    # Not a folder of pytest's: those are closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="paas-postgres-") as name:
        folder, port = Path(name), free_port()
        who = _server_user(folder)
        secret = folder / "pw"
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        initdb = [tool("initdb"), "-D", str(folder / "data"), "-U", "paas", "-A", "scram-sha-256"]
        subprocess.run([*initdb, f"--pwfile={secret}"], check=True, capture_output=True, **who)
        options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
        command = [tool("postgres"), "-D", str(folder / "data"), *options, "-c", "fsync=off"]
        postgres = subprocess.Popen(command, stderr=subprocess.DEVNULL, **who)
        try:
            url = f"postgres://paas:{_QUOTED}@127.0.0.1:{port}"
            _wait_for(f"{url}/postgres")
            yield url
        finally:
            postgres.terminate()
            postgres.wait(60)


def make_database(url: str, name: str) -> str:
    """The URL of a new, empty database of the server at `url`."""
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return f"{url}/{name}"


def _server_user(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": str(folder)}


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
    with server() as url:
        environment = os.environ | {"DATABASE_URL": make_database(url, "paas")}
        argv = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(argv, cwd=CHECKOUT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
