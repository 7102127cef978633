"""What every runtime must do: a module with a `runtime` and a `case` fixture collects `Contract`.

`Case` is how a runtime's tests name apps that run there.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from paas.runtimes.base import (
    AppSpec,
    Event,
    NotHealthy,
    ProcessSpec,
    ProcessState,
    ProcessStatus,
    Ready,
    Runtime,
    RuntimeFailure,
    StaleToken,
    Switched,
    Terminal,
)


@dataclass(frozen=True)
class Case:
    """A spec of an app nobody else uses, and commands that end well or badly.

    `serves_from_ready`: the new processes have taken over when `Ready` comes,
    so what is discarded then gives way to fresh ones of the release before.
    """

    spec: AppSpec
    failing: str
    printing: str  # prints "one", "two" and exits with status 3
    serves_from_ready: bool = False

    def with_worker(self, quantity: int) -> AppSpec:
        worker = ProcessSpec("worker", "exec sleep 1000", quantity)
        return replace(self.spec, processes=(*self.spec.processes, worker))


def finish(events: Iterator[Event]) -> list[Event]:
    """Drive an apply to its end; its events without those that only pass the time."""
    return [event for event in events if isinstance(event, Ready | Switched)]


def up_to_ready(events: Iterator[Event]) -> Iterator[Event]:
    """Drive an apply up to `Ready`."""
    for event in events:
        if isinstance(event, Ready):
            return events
    raise AssertionError("never ready")


def up(runtime: Runtime, app_id: str) -> dict[str, ProcessStatus]:
    return {s.name: s for s in runtime.observe(app_id) if s.state is ProcessState.UP}


def read_all(stream: int) -> bytes:
    """All that comes from a descriptor that does not block; a terminal ends with EIO."""
    found = b""
    while select.select([stream], [], [], 30)[0]:
        try:
            chunk = os.read(stream, 65536)
        except OSError:
            break
        if not chunk:
            break
        found += chunk
    return found


def settle(runtime: Runtime, within: Callable[[Callable[[], Any]], None]) -> None:
    within(lambda: not runtime.tend())


class Contract:
    """Collected by the runtimes' own modules."""

    def test_applies(self, runtime: Runtime, case: Case) -> None:
        events = finish(runtime.apply(case.spec, 1))
        assert [type(event) for event in events] == [Ready, Switched]
        assert list(up(runtime, case.spec.app_id)) == ["web.1"]
        assert case.spec.app_id in runtime.apps()
        assert runtime.routes().hosts[case.spec.hosts[0]] == case.spec.app_id

    def test_the_same_spec_again_changes_nothing(self, runtime: Runtime, case: Case) -> None:
        finish(runtime.apply(case.spec, 1))
        before = up(runtime, case.spec.app_id)
        events = finish(runtime.apply(case.spec, 2))
        assert [type(event) for event in events] == [Ready, Switched]
        assert up(runtime, case.spec.app_id) == before

    def test_a_new_release_of_the_same_content_keeps_processes(
        self, runtime: Runtime, case: Case
    ) -> None:
        finish(runtime.apply(case.spec, 1))
        since = up(runtime, case.spec.app_id)["web.1"].since
        finish(runtime.apply(replace(case.spec, release=2), 2))
        web = up(runtime, case.spec.app_id)["web.1"]
        assert (web.release, web.since) == (2, since)

    def test_closed_at_ready_discards_the_new(self, runtime: Runtime, case: Case) -> None:
        finish(runtime.apply(case.spec, 1))
        before = up(runtime, case.spec.app_id)
        changed = replace(case.spec, environment={"BODY": "changed"}, release=2)
        up_to_ready(runtime.apply(changed, 2)).close()  # type: ignore[attr-defined]
        after = up(runtime, case.spec.app_id)
        if case.serves_from_ready:
            after = {name: replace(one, since=before[name].since) for name, one in after.items()}
        assert after == before

    def test_an_unhealthy_process_leaves_the_old_ones(self, runtime: Runtime, case: Case) -> None:
        finish(runtime.apply(case.spec, 1))
        before = up(runtime, case.spec.app_id)
        broken = replace(case.spec, processes=(ProcessSpec("web", case.failing, 1),), release=2)
        with pytest.raises(NotHealthy) as failure:
            finish(runtime.apply(broken, 2))
        assert failure.value.process == "web.1"
        assert "exited with status 9" in failure.value.reason
        assert up(runtime, case.spec.app_id) == before

    def test_a_stale_token_is_refused(self, runtime: Runtime, case: Case) -> None:
        finish(runtime.apply(case.spec, 5))
        with pytest.raises(StaleToken):
            finish(runtime.apply(case.spec, 4))
        with pytest.raises(StaleToken):
            runtime.remove(case.spec.app_id, 4)

    def test_a_newer_token_at_ready_wins(self, runtime: Runtime, case: Case) -> None:
        slow = up_to_ready(runtime.apply(case.spec, 1))
        newer = replace(case.spec, environment={"BODY": "newer"}, release=2)
        finish(runtime.apply(newer, 2))
        with pytest.raises(StaleToken):
            finish(slow)
        assert up(runtime, case.spec.app_id)["web.1"].release == 2

    def test_scales_up_and_down(self, runtime: Runtime, case: Case) -> None:
        finish(runtime.apply(case.with_worker(2), 1))
        assert sorted(up(runtime, case.spec.app_id)) == ["web.1", "worker.1", "worker.2"]
        kept = up(runtime, case.spec.app_id)["worker.1"]
        finish(runtime.apply(case.with_worker(1), 2))
        assert sorted(up(runtime, case.spec.app_id)) == ["web.1", "worker.1"]
        assert up(runtime, case.spec.app_id)["worker.1"] == kept

    def test_restarts_one_process(self, runtime: Runtime, case: Case) -> None:
        finish(runtime.apply(case.with_worker(2), 1))
        before = up(runtime, case.spec.app_id)
        spec = case.with_worker(2)
        worker = replace(spec.processes[-1], restarts={"2": 1})
        finish(runtime.apply(replace(spec, processes=(*spec.processes[:-1], worker)), 2))
        after = up(runtime, case.spec.app_id)
        assert after["worker.1"] == before["worker.1"]
        assert after["worker.2"].since > before["worker.2"].since

    def test_routes_move_while_an_apply_goes_on(self, runtime: Runtime, case: Case) -> None:
        spec, (own, *_) = replace(case.spec, routing=1), case.spec.hosts
        finish(runtime.apply(spec, 1))
        older = up_to_ready(runtime.apply(replace(spec, release=2), 2))
        new = (own, f"www.{own}")
        runtime.route(spec.app_id, new, maintenance=False, routing=2)
        runtime.route(spec.app_id, (own, f"old.{own}"), maintenance=False, routing=1)
        finish(older)
        hosts = runtime.routes().hosts
        assert {host for host, app in hosts.items() if app == spec.app_id} == set(new)

    def test_an_app_that_is_not_there_has_no_routes(self, runtime: Runtime, case: Case) -> None:
        runtime.route(case.spec.app_id, case.spec.hosts, maintenance=False, routing=1)
        assert case.spec.hosts[0] not in runtime.routes().hosts
        assert case.spec.app_id not in runtime.apps()

    def test_a_one_off_ends_with_its_status(self, runtime: Runtime, case: Case) -> None:
        one_off = runtime.run(case.spec, case.printing, name="release.1")
        assert list(one_off.lines()) == ["one", "two"]
        assert one_off.wait() == 3
        one_off.stop()

    def test_a_detached_one_off_ends_with_its_status(self, runtime: Runtime, case: Case) -> None:
        one_off = runtime.run(case.spec, case.printing, name="run.1", detached=True, timeout=60)
        assert list(one_off.lines()) == ["one", "two"]
        assert one_off.wait() == 3
        one_off.stop()

    def test_a_detached_one_off_is_found_by_its_name(self, runtime: Runtime, case: Case) -> None:
        runtime.run(case.spec, case.printing, name="cron.1", detached=True, timeout=60)
        found = runtime.find_one_off(case.spec.app_id, "cron.1")
        assert found is not None and found.wait(30) == 3
        assert runtime.find_one_off(case.spec.app_id, "cron.2") is None
        assert runtime.find_one_off("no-such-app", "cron.1") is None

    def test_an_attached_one_off_ends_with_its_status(self, runtime: Runtime, case: Case) -> None:
        runtime.run_attached(case.spec, case.printing, name="run.1", timeout=60)
        attachment = runtime.attach(case.spec.app_id, "run.1", None)
        assert attachment.stderr is not None
        assert read_all(attachment.stdout) + read_all(attachment.stderr) == b"one\ntwo\n"
        assert attachment.wait(10) == 3
        attachment.close()

    def test_an_attached_one_off_on_a_terminal(self, runtime: Runtime, case: Case) -> None:
        runtime.run_attached(case.spec, case.printing, name="run.1", timeout=60)
        attachment = runtime.attach(case.spec.app_id, "run.1", Terminal(100, 30))
        assert attachment.stderr is None
        assert read_all(attachment.stdout).replace(b"\r\n", b"\n") == b"one\ntwo\n"
        attachment.resize(Terminal(120, 40))
        assert attachment.wait(10) == 3
        attachment.close()

    def test_only_one_attaches(self, runtime: Runtime, case: Case) -> None:
        runtime.run_attached(case.spec, case.printing, name="run.1", timeout=60)
        runtime.attach(case.spec.app_id, "run.1", None).close()
        with pytest.raises(RuntimeFailure):
            runtime.attach(case.spec.app_id, "run.1", None)
        with pytest.raises(RuntimeFailure):
            runtime.attach(case.spec.app_id, "run.2", None)

    def test_stops_a_one_off_nobody_has_attached_to(self, runtime: Runtime, case: Case) -> None:
        runtime.run_attached(case.spec, case.printing, name="run.1", timeout=60)
        assert runtime.stop(case.spec.app_id, "run.1")
        assert not runtime.stop(case.spec.app_id, "run.2")

    def test_removes(self, runtime: Runtime, case: Case) -> None:
        finish(runtime.apply(case.spec, 1))
        runtime.remove(case.spec.app_id, 2)
        assert runtime.observe(case.spec.app_id) == []
        assert case.spec.app_id not in runtime.apps()
        assert case.spec.hosts[0] not in runtime.routes().hosts
        runtime.remove(case.spec.app_id, 2)
