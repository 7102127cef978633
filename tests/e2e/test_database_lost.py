"""PostgreSQL cuts its connections, restarts and stays away while people push."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests import postgres
from tests.e2e.breaking import assert_sound, change, push_in_background
from tests.e2e.parts import Faults, find
from tests.e2e.world import World, up

pytestmark = [
    pytest.mark.skipif(not postgres.installed(), reason="PostgreSQL is not installed"),
    pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="run by make test-postgres"),
]
BEFORE, AFTER = "release.starting", "release.committed"
AWAY = 8.0  # seconds: longer than a connection is tried again, shorter than a lease


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """One that no other test needs."""
    with postgres.server() as server:
        yield server


@pytest.fixture(scope="module")
def broken(
    server: postgres.Server, tmp_path_factory: pytest.TempPathFactory, faults: Faults
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("database-lost")
    settings = {"PAAS_FAULTS_DIR": str(faults.folder)}
    database = postgres.make_database(server.url)
    with up(World(folder, extra=settings, database=database)) as world:
        app = world.repository("flask", "app")
        world.paas("create", "victim", cwd=app)
        world.git("push", "paas", "main", cwd=app)
        yield world


@pytest.fixture(scope="module", autouse=True)
def started(broken: World) -> Iterator[dict[str, list[int]]]:
    """No part of ours is started again for any of this."""
    before = {part: find(broken, part) for part in ("web", "worker", "gateway", "observer")}
    yield before
    assert {part: find(broken, part) for part in before} == before


def cut_all(world: World) -> None:
    """Every connection of the instance, in the midst of whatever it does."""
    with psycopg.connect(world.database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("point", ["build.unpacked", BEFORE, "release.ready", AFTER])
def test_connections_are_cut(broken: World, faults: Faults, point: str) -> None:
    app = change(broken, f"cut-{point}")
    faults.order(point, "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit(point)
    cut_all(broken)
    hit.unlink()
    said, _ = push.communicate(timeout=90)
    faults.clear()
    assert "Traceback" not in said
    assert push.returncode == 0 or "The database did not answer" in said, said
    assert_sound(broken, app, f"cut-{point}")


def test_a_restart_costs_at_most_one_push(
    broken: World, server: postgres.Server, faults: Faults
) -> None:
    """What was in the midst of a transaction fails with it; all else is tried again."""
    app = change(broken, "restarted")
    faults.order(BEFORE, "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit(BEFORE)
    server.stop()
    hit.unlink()
    server.start()
    said, _ = push.communicate(timeout=90)
    faults.clear()
    assert push.returncode == 0 or "The database did not answer" in said, said
    assert broken.paas("ps", cwd=app).returncode == 0
    assert_sound(broken, app, "restarted")


def test_while_it_is_away_people_are_told(
    broken: World, server: postgres.Server, faults: Faults
) -> None:
    app = change(broken, "away")
    faults.order(BEFORE, "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit(BEFORE)
    server.stop()
    again = threading.Timer(AWAY, server.start)
    again.start()
    hit.unlink()
    began = time.monotonic()
    asked = broken.paas("ps", cwd=app, check=False)
    assert asked.returncode == 1 and "The database does not answer" in asked.stderr
    assert time.monotonic() - began < AWAY
    page = broken.get("/dashboard/")
    assert page.status in (200, 302, 503) and "Traceback" not in page.body
    assert broken.get(app="victim").status == 200, "apps need no database of ours"
    again.join()
    said, _ = push.communicate(timeout=90)
    assert "Traceback" not in said
    assert push.returncode == 0 or "Push rejected" in said or "The worker was lost" in said, said
    assert_sound(broken, app, "away")


def test_a_push_that_begins_meanwhile_waits(broken: World, server: postgres.Server) -> None:
    app = change(broken, "began-while-away")
    server.stop()
    threading.Timer(3.0, server.start).start()
    pushed = broken.git("push", "paas", "main", cwd=app)
    assert "Verifying deploy... done." in pushed.stderr
    assert_sound(broken, app, "began-while-away")
