"""Backup and restore with a real PostgreSQL, where one is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from paas.instance import Instance, current
from paas.keys import SECRET_KEY, KeysError, ensure_keys
from paas.launcher.backup import BackupError, backup, restore
from tests import postgres

pytestmark = pytest.mark.skipif(not postgres.installed(), reason="PostgreSQL is not installed")


@pytest.fixture
def databases() -> Iterator[tuple[str, str]]:
    """The URLs of two empty databases."""
    with postgres.server() as server:
        yield postgres.make_database(server.url), postgres.make_database(server.url)


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
