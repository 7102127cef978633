"""cron and its verbs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

CRON = "/apps/hello/cron"


def _run(state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "0b",
        "task": "1a2b3c4d",
        "process": "cron.7",
        "state": state,
        "exit_status": None,
        "reason": "",
        "created_at": "2026-11-23T12:00:00Z",
        "started_at": "2026-11-23T12:00:01Z",
        **more,
    }


def _task(**more: Any) -> dict[str, Any]:
    return {
        "id": "1a2b3c4d",
        "command": "python mail.py",
        "schedule": "@daily",
        "paused": None,
        "next_run_at": "2026-11-27T00:00:00Z",
        "last_run": None,
        **more,
    }


def test_lists_tasks_with_next_and_last(paas: Run, panel: FakePanel) -> None:
    failed = _run("failed", exit_status=3)
    paused = _task(id="2b", paused="suspended", next_run_at=None, last_run=failed)
    panel.on(f"GET {CRON}", [_task(), paused])
    _, first, second = paas("cron", "-a", "hello").stdout.splitlines()
    assert "2026-11-27 00:00" in first and "never" in first and "python mail.py" in first
    assert "suspended" in second and "failed (3) 2026/11/23 12:00:01" in second


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (_run("succeeded", exit_status=0), 0, "cron.7"),
        (_run("failed", exit_status=3, reason="exited with status 3"), 3, "exited with status 3"),
        (_run("skipped", process="", reason="still going on"), 1, "still going on"),
    ],
)
def test_run_ends_as_the_task_does(
    paas: Run, panel: FakePanel, end: dict[str, Any], code: int, said: str
) -> None:
    panel.on(f"POST {CRON}/1a2b3c4d/runs", Reply(_run("pending", process=""), 201))
    panel.on(f"GET {CRON}/1a2b3c4d/runs/0b", _run("running"), end)
    result = paas("cron:run", "1a2b3c4d", "--ttl-seconds", "60", "-a", "hello")
    assert result.returncode == code, result.stderr
    assert said in result.stdout + result.stderr
    assert panel.bodies(f"POST {CRON}/1a2b3c4d/runs") == [{"time_to_live": 60}]


def test_detached_it_does_not_wait(paas: Run, panel: FakePanel) -> None:
    panel.on(f"POST {CRON}/1a2b3c4d/runs", Reply(_run("pending", process=""), 201))
    assert paas("cron:run", "1a2b3c4d", "--detach", "-a", "hello").returncode == 0


def test_suspend_and_resume(paas: Run, panel: FakePanel) -> None:
    panel.on(f"PATCH {CRON}/1a2b3c4d", _task())
    paas("cron:suspend", "1a2b3c4d", "-a", "hello")
    paas("cron:resume", "1a2b3c4d", "-a", "hello")
    assert panel.bodies(f"PATCH {CRON}/1a2b3c4d") == [{"suspended": True}, {"suspended": False}]


def test_history(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {CRON}/1a2b3c4d/runs", [_run("failed", exit_status=1, reason="lost")])
    assert "cron.7  failed (1)" in paas("cron:runs", "1a2b3c4d", "-a", "hello").stdout
