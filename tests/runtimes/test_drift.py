"""Which apps are found not to be as they should be, on one machine."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from paas.runtimes.base import AppSpec
from paas.runtimes.local import LocalRuntime
from tests.runtimes.conformance import finish
from tests.runtimes.world import World, eventually


def adrift(runtime: LocalRuntime, spec: AppSpec) -> bool:
    return spec.app_id in runtime.drift([spec])


@pytest.fixture
def running(runtime: LocalRuntime, app: AppSpec) -> AppSpec:
    finish(runtime.apply(app, 1))
    return app


def test_what_was_applied_is_not_adrift(runtime: LocalRuntime, app: AppSpec) -> None:
    assert adrift(runtime, app)
    finish(runtime.apply(app, 1))
    assert not adrift(runtime, app)


@pytest.mark.parametrize(
    "change",
    [
        {"release": 2},
        {"environment": {"BODY": "other"}},
        {"hosts": ("other.localhost",)},
        {"maintenance": True},
        {"processes": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_spec_is(
    runtime: LocalRuntime, running: AppSpec, change: dict[str, object]
) -> None:
    other = replace(running, **change, routing=running.routing + 1)
    assert adrift(runtime, other)
    finish(runtime.apply(other, 2))
    assert not adrift(runtime, other)


def test_more_than_fits_is_always_adrift(runtime: LocalRuntime, running: AppSpec) -> None:
    (web,) = running.processes
    assert adrift(runtime, replace(running, processes=(replace(web, quantity=1000),)))


def test_a_lost_route_is_made_again(world: World, runtime: LocalRuntime, running: AppSpec) -> None:
    (route,) = (world.instance.routes / "hosts" / running.hosts[0]).iterdir()
    route.unlink()
    assert adrift(runtime, running)
    finish(runtime.apply(running, 2))
    assert route.exists()


def test_a_crashed_process_is_left_to_its_supervisor(runtime: LocalRuntime, app: AppSpec) -> None:
    """It is started again there, with its own back-off; applying would not hasten it."""
    finish(runtime.apply(app, 1))
    (status,) = runtime.observe(app.app_id)
    assert status.pid
    os.kill(status.pid, signal.SIGKILL)
    assert not adrift(runtime, app)


def test_without_its_supervisor_every_app_is(
    world: World, runtime: LocalRuntime, running: AppSpec
) -> None:
    assert world.supervisord
    world.supervisord.kill()
    world.supervisord.wait()
    try:
        assert adrift(runtime, running)
    finally:
        world.start_supervisord()
    assert adrift(runtime, running)
    finish(runtime.apply(running, 2))
    eventually(lambda: not adrift(runtime, running))
