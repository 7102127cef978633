"""State changes, told from two looks at the runtime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from paas.observer.states import Seen, changes, current
from paas.runtimes.base import ProcessState, ProcessStatus

AT = datetime(2026, 11, 23, tzinfo=UTC)


def process(state: str, **fields: Any) -> ProcessStatus:
    defaults: dict[str, Any] = {
        "app_id": "a1",
        "name": "web.1",
        "type": "web",
        "since": AT,
        "release": 1,
    }
    return ProcessStatus(**(defaults | {"command": "serve"} | fields), state=ProcessState(state))


def told(*looks: list[ProcessStatus]) -> list[str]:
    """What is said over several looks, as `name: text`."""
    said, seen = [], dict[str, Seen]()
    for look in looks:
        now = current(look)
        said += [f"{m.process}: {m.text}" for m in changes(seen, now)]
        seen = {name: Seen.of(status) for name, status in now.items()}
    return said


def test_a_start() -> None:
    assert told([process("starting")], [process("up")], [process("up")]) == [
        "web.1: Starting process with command `serve`",
        "web.1: State changed from starting to up",
    ]


def test_a_crash_with_its_reason_and_the_way_back() -> None:
    crashed = process("crashed", reason="Process exited with status 1")
    assert told([process("up")], [crashed], [crashed], [process("up", restarts=1)])[2:] == [
        "web.1: Process exited with status 1",
        "web.1: State changed from up to crashed",
        "web.1: State changed from crashed to up",
    ]


def test_a_crash_between_two_looks_is_told() -> None:
    assert told([process("up")], [process("up", restarts=1)])[2:] == ["web.1: Process restarted"]
    back = process("up", restarts=2, reason="Process exited with status 3")
    assert told([process("up", restarts=1)], [back])[2:] == ["web.1: Process exited with status 3"]


def test_a_new_release_takes_over_while_the_old_one_drains() -> None:
    old, new = process("stopping"), process("up", release=2, since=AT + timedelta(seconds=1))
    assert told([process("up")], [old, process("starting", release=2)], [old, new], [new])[2:] == [
        "web.1: Starting process with command `serve`",
        "web.1: State changed from up to starting",
        "web.1: State changed from starting to up",
    ]


def test_a_stop() -> None:
    assert told([process("up")], [process("stopping")], [])[2:] == [
        "web.1: Stopping all processes with SIGTERM",
        "web.1: State changed from up to stopping",
        "web.1: State changed from stopping to down",
    ]


def test_one_that_is_gone_is_down() -> None:
    assert told([process("up"), process("up", name="web.2")], [process("up")])[-1] == (
        "web.2: State changed from up to down"
    )


def test_a_one_off_completes_and_its_command_stays_out_of_the_log() -> None:
    once = process("up", name="run.3", type="run", command="login hunter2")
    assert told([once], []) == [
        "run.3: Starting process",
        "run.3: State changed from starting to up",
        "run.3: State changed from up to complete",
    ]


def test_what_was_seen_survives_a_restart_of_the_observer() -> None:
    seen = Seen.of(process("crashed", restarts=2, reason="Killed"))
    assert Seen.from_json(seen.to_json()) == seen
