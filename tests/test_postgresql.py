"""Connections to a real PostgreSQL that cuts them and restarts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import dj_database_url
import psycopg
import pytest
from django.db import OperationalError, connections
from django.db.transaction import atomic

from paas.postgresql import base
from paas.postgresql.base import DatabaseWrapper
from tests import postgres

pytestmark = pytest.mark.skipif(not postgres.installed(), reason="PostgreSQL is not installed")
ALIAS = "cut"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as server:
        yield server


@pytest.fixture
def connection(server: postgres.Server, django_db_blocker: Any) -> Iterator[DatabaseWrapper]:
    """As a thread of the panel's has one."""
    parsed = dj_database_url.parse(postgres.make_database(server.url), engine="paas.postgresql")
    connections.databases[ALIAS] = {**connections.databases["default"], "OPTIONS": {}, **parsed}
    with django_db_blocker.unblock():
        connection = connections[ALIAS]
        assert isinstance(connection, DatabaseWrapper)
        yield connection
        connection.close()
    del connections[ALIAS], connections.databases[ALIAS]


def ask(connection: DatabaseWrapper) -> int:
    """The pid of the server's process for this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def cut(server: postgres.Server, pid: int) -> None:
    with psycopg.connect(f"{server.url}/postgres", autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_after_a_failure_the_next_statement_works(
    server: postgres.Server, connection: DatabaseWrapper
) -> None:
    first = ask(connection)
    cut(server, first)
    with pytest.raises(OperationalError):
        ask(connection)
    assert ask(connection) != first


def test_an_idle_connection_is_looked_at(
    server: postgres.Server, connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_IDLE", 0.0)
    first = ask(connection)
    assert ask(connection) == first, "while it is good it is kept"
    cut(server, first)
    second = ask(connection)
    assert second != first
    cut(server, second)
    with atomic(using=ALIAS):
        third = ask(connection)
        assert third not in (first, second), "a transaction begins on a good one, too"
        assert ask(connection) == third


def test_what_is_cut_in_a_transaction_fails_whole(
    server: postgres.Server, connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_IDLE", 0.0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE noted (number int)")
    with pytest.raises(OperationalError), atomic(using=ALIAS), connection.cursor() as cursor:
        cursor.execute("INSERT INTO noted VALUES (1)")
        cut(server, ask(connection))
        cursor.execute("INSERT INTO noted VALUES (2)")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM noted")
        assert cursor.fetchone() == (0,)


def test_a_restart_is_waited_for(
    server: postgres.Server, connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_IDLE", 0.0)
    ask(connection)
    server.stop()
    again = threading.Timer(0.5, server.start)
    again.start()
    ask(connection)
    again.join()


def test_a_server_that_stays_away_is_told(
    server: postgres.Server, connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_IDLE", 0.0)
    monkeypatch.setattr(base, "PATIENCE", 0.2)
    ask(connection)
    server.stop()
    with pytest.raises(OperationalError, match="refused"):
        ask(connection)
    server.start()
    assert ask(connection)
