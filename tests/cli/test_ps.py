"""ps, ps:scale, ps:restart, run:detached, maintenance."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

FORMATION = "/apps/hello/formation"


def _dyno(number: int, state: str = "up", **more: Any) -> dict[str, Any]:
    return {
        "name": f"web.{number}",
        "type": "web",
        "state": state,
        "size": "standard",
        "command": "gunicorn app:app",
        "updated_at": "2026-11-23T12:00:00Z",
        **more,
    }


def _row(kind: str, quantity: int) -> dict[str, Any]:
    return {"type": kind, "quantity": quantity, "size": "standard"}


def test_ps_groups_by_type(paas: Run, panel: FakePanel) -> None:
    crashed = _dyno(2, "crashed", restarts=3, reason="exit code 1")
    panel.on("GET /apps/hello/dynos", [_dyno(1), crashed])
    shown = paas("ps", "-a", "hello").stdout
    assert "=== web (standard): gunicorn app:app (2)" in shown
    assert "web.1: up 2026/11/23 12:00:00 +0000" in shown
    assert "3 restarts: exit code 1" in shown


def test_scale_waits_until_all_are_up(paas: Run, panel: FakePanel) -> None:
    panel.on(f"PATCH {FORMATION}", [_row("web", 2), _row("worker", 0)])
    panel.on("GET /apps/hello/releases", [{"version": 1, "current": True}])
    panel.on("GET /apps/hello/dynos", [_dyno(1), _dyno(2, "starting")], [_dyno(1), _dyno(2)])
    result = paas("ps:scale", "web=2", "worker-1", "web=1:standard-2x", "a-b+3", "-a", "hello")
    assert result.returncode == 0, result.stderr
    assert "Scaling dynos... done, now running web at 2:standard" in result.stderr
    assert panel.bodies(f"PATCH {FORMATION}") == [
        {
            "updates": [
                {"type": "web", "quantity": 2},
                {"type": "worker", "quantity": "-1"},
                {"type": "web", "quantity": 1, "size": "standard-2x"},
                {"type": "a-b", "quantity": "+3"},
            ]
        }
    ]


def test_scale_does_not_wait_for_what_has_crashed(paas: Run, panel: FakePanel) -> None:
    panel.on(f"PATCH {FORMATION}", [_row("web", 2)])
    panel.on("GET /apps/hello/releases", [{"version": 1, "current": True}])
    crashed = _dyno(2, "crashed", reason="exited with status 127")
    panel.on("GET /apps/hello/dynos", [_dyno(1), crashed])
    result = paas("ps:scale", "web=2", "-a", "hello")
    assert result.returncode == 1
    assert "web.2 crashed: exited with status 127" in result.stderr
    assert "paas logs -a hello --ps web.2" in result.stderr


def test_scale_waits_for_nothing_before_the_first_release(paas: Run, panel: FakePanel) -> None:
    panel.on(f"PATCH {FORMATION}", [_row("web", 2)])
    panel.on("GET /apps/hello/releases", [])
    panel.on("GET /apps/hello/dynos", [_dyno(1, "down"), _dyno(2, "down")])
    assert "will run web at 2:standard" in paas("ps:scale", "web=2", "-a", "hello").stderr


def test_scale_without_arguments_prints_its_own_input(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {FORMATION}", [_row("web", 3), _row("worker", 1)])
    assert paas("ps:scale", "-a", "hello").stdout == "web=3:standard worker=1:standard\n"


@pytest.mark.parametrize("wrong", ["web", "web=", "=2", "web=x", "web 2", "web=2;id", "web=2:"])
def test_scale_refuses_what_it_cannot_read(paas: Run, panel: FakePanel, wrong: str) -> None:
    assert paas("ps:scale", wrong, "-a", "hello").returncode == 2
    assert not panel.asked


@pytest.mark.parametrize(
    ("arguments", "path"),
    [([], "dynos"), (["web"], "formations/web"), (["web.1"], "dynos/web.1")],
)
def test_restart(paas: Run, panel: FakePanel, arguments: list[str], path: str) -> None:
    panel.on(f"DELETE /apps/hello/{path}", Reply({}, 202))
    assert paas("ps:restart", *arguments, "-a", "hello").returncode == 0


def test_run_detached_keeps_the_words_apart(paas: Run, panel: FakePanel) -> None:
    panel.on("POST /apps/hello/dynos", Reply(_dyno(1, name="run.1234"), 201))
    result = paas("run:detached", "-a", "hello", "--", "echo", "a b", "-a", "$HOME")
    assert "done, run.1234" in result.stderr
    paas("run:detached", "-a", "hello", "echo $HOME | wc")
    assert [body["command"] for body in panel.bodies("POST /apps/hello/dynos")] == [
        "echo 'a b' -a '$HOME'",
        "echo $HOME | wc",
    ]


def test_maintenance(paas: Run, panel: FakePanel) -> None:
    panel.on("PATCH /apps/hello", {"maintenance": True})
    panel.on("GET /apps/hello", {"maintenance": True})
    assert paas("maintenance:on", "-a", "hello").returncode == 0
    assert panel.bodies("PATCH /apps/hello") == [{"maintenance": True}]
    assert paas("maintenance", "-a", "hello").stdout == "on\n"


@pytest.mark.parametrize(
    ("which", "path"),
    [("web.1", "dynos/web.1"), ("worker", "formations/worker")],
)
def test_stop(paas: Run, panel: FakePanel, which: str, path: str) -> None:
    panel.on(f"POST /apps/hello/{path}/actions/stop", Reply({}, 202))
    done = paas("ps:stop", which, "-a", "hello")
    assert done.returncode == 0 and f"Stopping {which} on hello... done" in done.stderr
