"""What others do to our objects is noticed at once; who does it again and again is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

import pytest

from paas.runtimes.base import AppSpec, CronTask, Disturbance
from paas.runtimes.kubernetes import KubernetesRuntime, guard, kinds
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.guard import Guard
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS, make_spec, web, worker
from tests.kubernetes.driving import deploy, namespace, versions

Within = Callable[..., None]
TASK = CronTask("aaaa1111", 0, "true", "0 3 * * *", "forbid", False, 60)


@dataclass
class Told:
    """What a guard has told; `deaf` while nobody could hear it."""

    deaf: bool = False
    found: list[tuple[str, Disturbance]] = field(default_factory=list)

    def __call__(self, found: Mapping[str, Disturbance]) -> bool:
        if not self.deaf:
            self.found += found.items()
        return not self.deaf

    def of(self, spec: AppSpec) -> list[Disturbance]:
        return [one for app_id, one in self.found if app_id == spec.app_id]


@pytest.fixture
def told(runtime: KubernetesRuntime, kube: FakeKube, within: Within) -> Iterator[Told]:
    told = Told()
    watching = Guard(SETTINGS, Client(), told)
    start = len(kube.cluster.requests)
    watching.start()
    wanted = len(guard.WATCHED) + 3
    within(lambda: sum(call.verb == "watch" for call in kube.cluster.requests[start:]) >= wanted)
    yield told
    watching.close()


def edit(kube: FakeKube, path: str, change: dict[str, Any], manager: str = "kubectl-edit") -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    address = f"{kube.url}{path}?fieldManager={manager}"
    urlopen(Request(address, json.dumps(change).encode(), headers, method="PATCH")).close()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kinds.DEPLOYMENT, "worker"),
        (kinds.SERVICE, "web"),
        (kinds.INGRESS, "web"),
        (kinds.MIDDLEWARE, "https"),
        (kinds.CRON_JOB, "cron-aaaa1111"),
        (kinds.NETWORK_POLICY, "app"),
        (kinds.BUDGET, "worker"),
        (kinds.SERVICE_ACCOUNT, "app"),
        (kinds.SECRET, "paas-state"),
    ],
)
def test_what_is_deleted_is_told_within_a_second(
    runtime: KubernetesRuntime, told: Told, within: Within, kind: kinds.Kind, name: str
) -> None:
    spec = make_spec(web(), worker(quantity=2), cron=(TASK,))
    deploy(runtime, spec)
    told.found.clear()
    Client().delete(kind, namespace(spec), name)
    within(lambda: told.of(spec) == [Disturbance()], 1.5)


def test_our_own_deploys_are_nobody_s_disturbance(
    runtime: KubernetesRuntime, told: Told, within: Within
) -> None:
    spec, other = make_spec(web(), worker()), make_spec()
    deploy(runtime, spec, 1)
    deploy(runtime, make_spec(app_id=spec.app_id, name=spec.name, hosts=spec.hosts, release=2), 2)
    deploy(runtime, other, 1)
    Client().delete(kinds.SERVICE, namespace(other), "web")
    within(lambda: told.of(other))
    assert [one for one in told.of(spec) if one.by] == []


def test_a_foreign_edit_names_who_it_was_once(
    kube: FakeKube, runtime: KubernetesRuntime, told: Told, within: Within
) -> None:
    spec = make_spec()
    deploy(runtime, spec)
    path = kinds.SERVICE.path(namespace(spec), "web")
    edit(kube, path, {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "http"}]}})
    within(lambda: told.of(spec) == [Disturbance("kubectl-edit")], 2)
    assert "(by kubectl-edit)" in runtime.drift([spec])[spec.app_id]


def test_a_namespace_that_goes_is_told_at_its_end(
    runtime: KubernetesRuntime, told: Told, within: Within
) -> None:
    spec = make_spec(web(), worker())
    deploy(runtime, spec)
    told.found.clear()
    Client().delete(kinds.NAMESPACE, "", namespace(spec))
    within(lambda: told.of(spec), 60)
    assert told.of(spec) == [Disturbance()]
    assert Client().items(kinds.NAMESPACE, fields=f"metadata.name={namespace(spec)}") == []
    deploy(runtime, spec, 2)
    assert runtime.drift([spec]) == {}


def body(uid: str, manager: str, time: str) -> dict[str, Any]:
    wrote = [{"manager": "paas", "time": "1"}, {"manager": manager, "time": time}]
    return {"metadata": {"uid": uid, "labels": {"paas.dev/app": "a"}, "managedFields": wrote}}


def test_who_fights_is_named_and_left_alone() -> None:
    told, now = Told(), [0.0]
    watching = Guard(SETTINGS, Client(), told, clock=lambda: now[0])
    for turn in range(20):
        watching.notice(kinds.SERVICE, "MODIFIED", body("u", "rival", f"2{turn:02}"))
        watching.flush()
        now[0] += 1
    assert [one.often for _, one in told.found] == [False] * guard.MOST + [True]
    assert told.found[-1] == ("a", Disturbance("rival", often=True))
    now[0] += guard.WINDOW_SECONDS
    watching.notice(kinds.SERVICE, "DELETED", body("u", "rival", "3"))
    watching.flush()
    assert told.found[-1] == ("a", Disturbance())


def test_nothing_is_lost_while_nobody_hears() -> None:
    told = Told(deaf=True)
    watching = Guard(SETTINGS, Client(), told)
    watching.notice(kinds.SERVICE, "DELETED", body("u", "x", "2"))
    watching.flush()
    told.deaf = False
    watching.flush()
    watching.flush()
    assert told.found == [("a", Disturbance())]


def test_a_look_at_one_app_asks_for_its_namespace_alone(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    spec, other = make_spec(), make_spec()
    deploy(runtime, spec)
    deploy(runtime, other)
    before, start = versions(kube, spec), len(kube.cluster.requests)
    assert runtime.drift([spec]) == {}
    asked = {call.namespace for call in kube.cluster.requests[start:]}
    assert asked == {namespace(spec), ""}, "namespaces have none"
    assert versions(kube, spec) == before
