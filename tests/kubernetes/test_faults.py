"""Killed, cut off, deleted from: one more apply makes exactly what the spec says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from paas.runtimes.base import AppSpec, CronTask, Event, NotHealthy, Progress, Ready
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.fakekube.faults import ApiFault
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS, make_spec, web, worker
from tests.kubernetes.driving import deploy, namespace, objects
from tests.kubernetes.killing import killed_after

TASK = CronTask("aaaa1111", 0, "true", "0 3 * * *", "forbid", False, 60)


def names(kube: FakeKube, spec: AppSpec) -> set[tuple[str, str]]:
    """All but environments of earlier releases, which their ReplicaSets keep."""
    return {key for key in objects(kube, spec) if not key[1].startswith("env-")}


def live() -> AppSpec:
    return make_spec(web(quantity=2), worker(), cron=(TASK,))


def changed(spec: AppSpec) -> AppSpec:
    """Another environment, another command, one type less and one more, no cron."""
    third = replace(worker(quantity=2), type="third")
    new = (web(quantity=2), worker("exec sleep 999"), third)
    return replace(spec, release=2, environment={"BODY": "two"}, processes=new, cron=())


def killed_at(kube: FakeKube, runtime: KubernetesRuntime, at: int) -> tuple[int, AppSpec]:
    """Deploy, deploy a change that dies at its write number `at`, reconcile.

    Returns:
        How many writes it began, and what is live then.
    """
    spec = live()
    deploy(runtime, spec, 1)
    committed, writes = killed_after(kube, changed(spec), 2, at)
    current = changed(spec) if committed else spec
    deploy(runtime, current, 3)
    assert runtime.drift([current]) == {}, f"killed at write {at}"
    up = {one.release for one in runtime.observe(spec.app_id) if one.state == "up"}
    assert up == {current.release}
    return writes, current


def test_killed_between_any_two_writes_one_apply_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeKube(speed=25, run="none", validate=False) as kube:
        monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path / "kubeconfig")))
        runtime = KubernetesRuntime(SETTINGS)
        most, after = killed_at(kube, runtime, 1_000)
        assert most > 10
        before = live()
        deploy(runtime, before)
        wanted = {one.release: names(kube, one) for one in (before, after)}
        with ThreadPoolExecutor(4) as pool:
            for _, spec in pool.map(lambda at: killed_at(kube, runtime, at), range(1, most + 1)):
                assert names(kube, spec) == wanted[spec.release]


# --- the API away --------------------------------------------------------------
def to_the_end(events: Iterator[Event]) -> None:
    for _ in events:
        pass


def up_to(events: Iterator[Event], wanted: Callable[[Event], bool]) -> Iterator[Event]:
    next(event for event in events if wanted(event))
    return events


def is_starting(event: Event) -> bool:
    return isinstance(event, Progress) and "Starting" in event.text


def outages(runtime: KubernetesRuntime) -> Iterator[tuple[AppSpec, Callable[[], object]]]:
    """For each phase of a deploy: the spec that must be true at last, and the rest of the work."""
    begins, waits, commits, fails, moves, runs = (live() for _ in range(6))
    yield begins, lambda: to_the_end(runtime.apply(begins, 1))
    waiting = up_to(runtime.apply(waits, 1), is_starting)
    yield waits, lambda: to_the_end(waiting)
    ready = up_to(runtime.apply(commits, 1), lambda event: isinstance(event, Ready))
    yield commits, lambda: to_the_end(ready)
    deploy(runtime, fails, 1)
    broken = replace(fails, release=2, processes=(web("exit 3"), worker()))
    failing = up_to(runtime.apply(broken, 2), is_starting)

    def fail() -> None:
        with pytest.raises(NotHealthy, match="exited with status 3"):
            to_the_end(failing)

    yield fails, fail
    deploy(runtime, moves, 1)
    hosts = (*moves.hosts, f"www.{moves.hosts[0]}")
    moved = replace(moves, hosts=hosts, routing=1)
    yield moved, lambda: runtime.route(moves.app_id, hosts, maintenance=False, routing=1)
    deploy(runtime, runs, 1)
    phase = runtime.run(runs, "for n in 1 2 3; do echo $n; sleep 1; done", name="release.2")

    def follow() -> None:
        assert list(phase.lines()) == ["1", "2", "3"]
        assert phase.wait() == 0

    yield runs, follow


@pytest.mark.timeout(180)
def test_an_api_that_is_away_for_half_a_minute_fails_nothing(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    """In every phase at once, in real seconds, with production's patience."""
    patient = KubernetesRuntime(replace(SETTINGS, patience=ClusterSettings().patience))
    cases = list(outages(patient))
    kube.cluster.faults.down(30.0)
    with ThreadPoolExecutor(len(cases)) as pool:
        ends = [pool.submit(rest) for _, rest in cases]
        for end in ends:
            end.result(90)
    for spec, _ in cases:
        assert runtime.drift([spec]) == {}


@pytest.mark.parametrize(
    "storm",
    [
        [ApiFault(status=429, retry_after=0, times=12)],
        [ApiFault(verb="patch", status=409, times=8)],
        [ApiFault(verb="patch", drop="after", times=5), ApiFault(verb="list", status=500, times=9)],
        [ApiFault(verb="watch", cut_after=1, times=12), ApiFault(verb="watch", drop="before")],
    ],
    ids=["429", "409", "lost answers", "cut watches"],
)
def test_a_storm_is_weathered(
    kube: FakeKube, runtime: KubernetesRuntime, storm: list[ApiFault]
) -> None:
    spec = live()
    deploy(runtime, spec, 1)
    kube.cluster.faults.api.extend(replace(fault) for fault in storm)
    deploy(runtime, changed(spec), 2)
    assert all(fault.times == 0 for fault in kube.cluster.faults.api), "all of it came down"
    assert runtime.drift([changed(spec)]) == {}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kinds.SERVICE, "web"), (kinds.INGRESS, "web"), (kinds.DEPLOYMENT, "worker")],
)
def test_what_somebody_deleted_is_found_and_comes_back(
    kube: FakeKube, runtime: KubernetesRuntime, kind: kinds.Kind, name: str
) -> None:
    spec = make_spec(web(), worker())
    deploy(runtime, spec, 1)
    Client().delete(kind, namespace(spec), name)
    assert runtime.drift([spec]) == {spec.app_id: f"{kind.name} {name} is missing"}
    deploy(runtime, spec, 2)
    assert runtime.drift([spec]) == {}


def test_what_somebody_changed_is_named(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    change = {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "http"}]}}
    Client().merge(kinds.SERVICE, namespace(spec), "web", change)
    assert "Service web was changed: spec.ports[http].port" in runtime.drift([spec])[spec.app_id]


def test_a_thousand_unchanged_apps_are_looked_at_with_few_calls(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    specs = [make_spec(web(), worker()) for _ in range(3)]
    for spec in specs:
        deploy(runtime, spec, 1)
    start, began = len(kube.cluster.requests), time.monotonic()
    assert runtime.drift(specs * 300) == {}
    calls = kube.cluster.requests[start:]
    assert len(calls) <= 20
    assert {call.verb for call in calls} == {"list"}
    assert time.monotonic() - began < 10


def test_settings_of_the_tests_are_those_of_production_but_for_patience() -> None:
    assert replace(SETTINGS, patience=45.0, cluster_issuer="") == type(SETTINGS)()


def test_a_lost_memory_takes_nobody_down(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec()
    deploy(runtime, spec, 1)
    Client().delete(kinds.SECRET, namespace(spec), "paas-state")
    broken = replace(spec, release=2, processes=(web("exit 3"),))
    with pytest.raises(NotHealthy):
        deploy(runtime, broken, 2)
    assert 1 in [one.release for one in runtime.observe(spec.app_id) if one.state == "up"]
    deploy(runtime, spec, 3)
    assert runtime.drift([spec]) == {}
