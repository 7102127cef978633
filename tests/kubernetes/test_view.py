"""What the observer learns of a cluster: states and lines, once each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paas.observer.merge import AppLog
from paas.observer.streamed import Streamed
from paas.runtimes.base import ProcessState
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.feed import Feed
from paas.runtimes.kubernetes.logs import in_utc
from paas.runtimes.kubernetes.names import INDEX
from paas.runtimes.kubernetes.verdict import uid_of
from paas.runtimes.kubernetes.view import ClusterView
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS, make_spec, web
from tests.kubernetes.driving import deploy, namespace, objects

Within = Callable[[Callable[[], object]], None]
SAYING = "for n in 1 2 3; do echo line $n; done; exec sleep 1000"


@pytest.fixture
def view(runtime: KubernetesRuntime) -> Iterator[ClusterView]:
    view = ClusterView(SETTINGS)
    yield view
    view.close()


def read(folder: Path) -> list[str]:
    log = folder / "app.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split(" ", 2)[2] for line in lines]


def test_states_and_lines_arrive_once_even_if_the_observer_begins_anew(
    kube: FakeKube,
    runtime: KubernetesRuntime,
    view: ClusterView,
    within: Within,
    tmp_path: Path,
) -> None:
    spec = make_spec(web(SAYING))
    deploy(runtime, spec)
    states = [(one.name, one.state) for one in view.observe(spec.app_id)]
    assert states == [("web.1", ProcessState.UP)]
    folder = tmp_path / spec.app_id
    folder.mkdir()

    def run_until(view: ClusterView, said: int) -> None:
        log, streamed = AppLog(folder, time.monotonic()), Streamed(view)

        def step() -> bool:
            streamed.deal({spec.app_id: log}, time.monotonic())
            log.flush()
            return len(read(folder)) >= said

        within(step)
        for _ in range(10):
            time.sleep(0.05)
            step()
        log.close()

    run_until(view, 3)
    assert read(folder) == [f"app[web.1]: line {n}" for n in (1, 2, 3)]
    view.close()
    again = ClusterView(SETTINGS)
    again.observe()
    one_off = runtime.run(spec, "echo four", name="run.4", detached=True, timeout=60)
    run_until(again, 4)
    again.close()
    one_off.stop()
    assert sorted(read(folder)) == sorted(
        [*(f"app[web.1]: line {n}" for n in (1, 2, 3)), "app[run.4]: four"]
    )


def test_a_pod_keeps_its_number(
    kube: FakeKube, runtime: KubernetesRuntime, view: ClusterView, within: Within
) -> None:
    spec = make_spec(web(quantity=2))
    deploy(runtime, spec)
    view.observe()

    def numbers() -> set[str]:
        view.follow(lambda app_id: {})
        pods = objects(kube, spec, kinds.POD).values()
        return {(pod["metadata"].get("annotations") or {}).get(INDEX, "") for pod in pods}

    within(lambda: numbers() == {"1", "2"})
    (first,) = [
        pod
        for pod in objects(kube, spec, kinds.POD).values()
        if pod["metadata"]["annotations"][INDEX] == "1"
    ]
    kept = {one.name: one.since for one in runtime.observe(spec.app_id)}["web.2"]
    Client().delete(kinds.POD, namespace(spec), first["metadata"]["name"], grace=0)
    within(lambda: len(runtime.observe(spec.app_id)) == 2)
    assert {one.name: one.since for one in runtime.observe(spec.app_id)}["web.2"] == kept


def test_a_restored_server_is_believed(
    kube: FakeKube,
    runtime: KubernetesRuntime,
    within: Within,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says nothing to who asks for what comes after a later version than its own."""
    monkeypatch.setattr("paas.runtimes.kubernetes.client.WATCH_READ_SECONDS", 0.5)
    spec = make_spec()
    deploy(runtime, spec)
    with Feed(Client(), (kinds.POD,), namespace(spec)) as feed:
        feed.start()
        (pod,) = feed.objects(kinds.POD)
        kube.cluster.restore()
        kube.cut()
        kube.cluster.delete("Pod", namespace(spec), pod["metadata"]["name"])
        within(lambda: pod["metadata"]["uid"] not in map(uid_of, feed.objects(kinds.POD)))


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("2026-11-26T19:38:11.123456789Z", "2026-11-26T19:38:11.123456789Z"),
        ("2026-11-26T20:38:11.120000000+01:00", "2026-11-26T19:38:11.120000000Z"),
        ("2026-10-25T02:59:59.999999999+02:00", "2026-10-25T00:59:59.999999999Z"),
    ],
)
def test_a_machine_may_write_its_logs_in_its_own_time_zone(written: str, same: str) -> None:
    assert in_utc(written) == same
