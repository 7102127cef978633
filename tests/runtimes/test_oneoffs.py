"""One-offs of users in the local runtime: how many, how long, and what ends them."""

from __future__ import annotations

import select
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from paas.runtimes.base import (
    AppSpec,
    Attachment,
    LimitExceeded,
    ProcessState,
    RuntimeFailure,
    Size,
    Terminal,
)
from paas.runtimes.local import LocalRuntime, launch
from paas.runtimes.local.oneoffs import MOST_ONE_OFFS
from paas.runtimes.local.state import StateStore
from paas.sandbox import Sandbox
from tests.runtimes.conformance import read_all
from tests.runtimes.world import World, eventually


def attach(runtime: LocalRuntime, app: AppSpec, command: str, timeout: float = 60.0) -> Attachment:
    runtime.run_attached(app, command, name="run.1", timeout=timeout, size=Size("small", 256))
    return runtime.attach(app.app_id, "run.1", Terminal())


@pytest.fixture
def sleeping(runtime: LocalRuntime, app: AppSpec) -> Iterator[Attachment]:
    """A process that heeds no hang-up."""
    attachment = attach(runtime, app, "trap '' HUP; echo ready; sleep 1000")
    assert select.select([attachment.stdout], [], [], 30)[0]
    yield attachment
    attachment.close()


def states(runtime: LocalRuntime, app: AppSpec) -> dict[str, ProcessState]:
    runtime.tend()
    return {status.name: status.state for status in runtime.observe(app.app_id)}


def test_it_starts_when_somebody_attaches(runtime: LocalRuntime, app: AppSpec) -> None:
    runtime.run_attached(app, "echo $0 begun", name="run.1", timeout=60)
    assert states(runtime, app) == {"run.1": ProcessState.STARTING}
    assert b"begun" in read_all(runtime.attach(app.app_id, "run.1", Terminal()).stdout)
    eventually(lambda: not states(runtime, app))


def test_it_waits_for_its_client_only_so_long(
    world: World, runtime: LocalRuntime, app: AppSpec
) -> None:
    runtime.run_attached(app, "echo never", name="run.1", timeout=0.5)
    eventually(lambda: not states(runtime, app))
    assert not list((world.instance.run / "attach").iterdir())


def test_closing_ends_what_heeds_nothing(runtime: LocalRuntime, app: AppSpec) -> None:
    attachment = attach(runtime, app, "trap '' HUP TERM; echo ready; while :; do sleep 1; done")
    assert select.select([attachment.stdout], [], [], 30)[0]
    assert states(runtime, app) == {"run.1": ProcessState.UP}
    attachment.close()
    eventually(lambda: not states(runtime, app))


def test_its_time_is_limited(runtime: LocalRuntime, app: AppSpec) -> None:
    attachment = attach(runtime, app, "exec sleep 1000", timeout=1.0)
    eventually(lambda: runtime.tend() and attachment.wait(0) is not None)
    assert attachment.wait() == 143
    eventually(lambda: not states(runtime, app))
    attachment.close()


def test_it_ends_with_the_owner_of_its_streams(
    world: World, runtime: LocalRuntime, app: AppSpec, sleeping: Attachment
) -> None:
    """As after `kill -9` of the gateway, whose record is all that is left of it."""
    with StateStore(world.instance).locked(app.app_id) as slot:
        (record,) = slot.state.records
        slot.save(slot.state.put(replace(record, owner="4194304:1")))
    eventually(lambda: not states(runtime, app))


def test_removing_the_app_ends_it(
    world: World, runtime: LocalRuntime, app: AppSpec, sleeping: Attachment
) -> None:
    world.runtime(stop_timeout=2).remove(app.app_id, 10)
    assert not runtime.observe(app.app_id)


def test_so_many_and_no_more(runtime: LocalRuntime, app: AppSpec) -> None:
    for number in range(MOST_ONE_OFFS):
        runtime.run_attached(app, "true", name=f"run.{number}", timeout=60)
    with pytest.raises(LimitExceeded, match=str(MOST_ONE_OFFS)):
        runtime.run_attached(app, "true", name="run.99", timeout=60)
    with pytest.raises(LimitExceeded):
        runtime.run(app, "true", name="run.99", detached=True)
    release_phase = runtime.run(app, "true", name="release.1")
    assert release_phase.wait(30) == 0, "the platform's own are not counted"
    runtime.stop(app.app_id, "run.0")
    eventually(lambda: len(states(runtime, app)) < MOST_ONE_OFFS)


def test_those_that_have_ended_take_no_place(runtime: LocalRuntime, app: AppSpec) -> None:
    for number in range(MOST_ONE_OFFS + 2):
        one_off = runtime.run(app, "true", name=f"run.{number}", detached=True)
        assert one_off.wait(30) == 0


def test_one_that_could_not_be_started_takes_no_place(runtime: LocalRuntime, app: AppSpec) -> None:
    gone = replace(app, artifact=replace(app.artifact, path="/nowhere"))
    with pytest.raises(RuntimeFailure):
        runtime.run_attached(gone, "true", name="run.1", timeout=60)
    assert not runtime.observe(app.app_id)


def test_a_terminal_is_a_terminal(runtime: LocalRuntime, app: AppSpec) -> None:
    attachment = attach(runtime, app, "tty; stty size; cat /proc/self/stat | cut -d' ' -f7")
    lines = read_all(attachment.stdout).split()
    assert lines[:3] == [b"/dev/pts/0", b"24", b"80"]
    assert lines[3] != b"0", "it is the controlling one"
    attachment.close()


def test_launch_files_hold_where_to_wait(tmp_path: Path) -> None:
    order = launch.Launch(Sandbox("x"), ["true"], tmp_path / "socket")
    launch.write(tmp_path / "file", order)
    assert launch.read(tmp_path / "file") == order
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
