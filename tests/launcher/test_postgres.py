"""Backup and restore with a real PostgreSQL, where one is installed."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from paas.instance import Instance, current
from paas.keys import SECRET_KEY, KeysError, ensure_keys
from paas.launcher.backup import BackupError, backup, restore
from tests.launcher.conftest import eventually, free_port

PASSWORD = "p/w:@ '%"
QUOTED = "p%2Fw%3A%40%20%27%25"


def _tool(name: str) -> str | None:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


pytestmark = pytest.mark.skipif(
    not all(map(_tool, ("initdb", "postgres", "pg_dump", "pg_restore"))),
    reason="PostgreSQL is not installed",
)


def _as_server_user(folder: Path) -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": str(folder)}


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a running server, without a database's name."""
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    who = _as_server_user(folder)
    secret = folder / "pw"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    port = free_port()
    initdb = [_tool("initdb"), "-D", str(folder / "data"), "-U", "paas", "-A", "scram-sha-256"]
    subprocess.run([*initdb, f"--pwfile={secret}"], check=True, capture_output=True, **who)  # type: ignore[call-overload]
    options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
    postgres = subprocess.Popen(  # type: ignore[call-overload]
        [_tool("postgres"), "-D", str(folder / "data"), *options], stderr=subprocess.DEVNULL, **who
    )
    url = f"postgres://paas:{QUOTED}@127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(f"{url}/postgres"), "PostgreSQL answers")
        yield url
    finally:
        postgres.terminate()
        postgres.wait(60)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def databases(server: str) -> tuple[str, str]:
    """The URLs of two empty databases."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        for name in ("old", "new"):
            connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/old", f"{server}/new"


def test_a_postgres_database_comes_back_with_the_new_homes_paths(
    instance: Instance,
    databases: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ensure_keys(instance)
    with psycopg.connect(databases[0]) as connection:
        connection.execute("CREATE TABLE builds_build (id text PRIMARY KEY, artifact jsonb)")
        artifact = json.dumps({"path": f"{instance.artifacts}/b1"})
        connection.execute("INSERT INTO builds_build VALUES ('b1', %s), ('b2', NULL)", [artifact])
    monkeypatch.setenv("DATABASE_URL", databases[0])
    backup(tmp_path / "b", artifacts=True, instance=instance)
    fresh = current({"PAAS_HOME": str(tmp_path / "new")})
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(BackupError, match="Set DATABASE_URL"):
        restore(tmp_path / "b", instance=fresh)
    monkeypatch.setenv("DATABASE_URL", databases[1])
    restore(tmp_path / "b", instance=fresh)
    with psycopg.connect(databases[1]) as connection:
        rows = connection.execute("SELECT id, artifact FROM builds_build ORDER BY id").fetchall()
    assert rows == [("b1", {"path": f"{fresh.artifacts}/b1"}), ("b2", None)]
    assert not list(fresh.home.glob("*pgdump"))


def test_a_postgres_database_without_its_key_is_refused(
    instance: Instance, databases: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", databases[0])
    ensure_keys(instance)
    (instance.keys / SECRET_KEY).unlink()
    ensure_keys(instance)  # nothing is in the database yet
    (instance.keys / SECRET_KEY).unlink()
    with psycopg.connect(databases[0]) as connection:
        connection.execute("CREATE TABLE django_migrations ()")
    with pytest.raises(KeysError, match="paas restore"):
        ensure_keys(instance)
    assert not (instance.keys / SECRET_KEY).exists()
