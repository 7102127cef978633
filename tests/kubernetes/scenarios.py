"""What a cluster and a person at its other side do to each other: on the fake, and on a real one.

A module with the fixtures `runtime`, `app`, `kubectl`, `within` and `namespace`
(of `app`) collects `Scenarios`, as it does `tests.runtimes.conformance.Contract`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paas.runtimes.base import AppSpec, Autoscale, NotHealthy, Progress, RuntimeFailure, Terminal
from paas.runtimes.kubernetes import KubernetesRuntime
from paas.runtimes.kubernetes.settings import ClusterSettings
from paas.runtimes.kubernetes.view import ClusterView
from tests.kubernetes.conftest import Kubectl, Within, worker
from tests.kubernetes.driving import deploy
from tests.runtimes.conformance import Case, Contract, read_all

QUIET = "serviceaccounts,secrets,services,ingresses,networkpolicies,deployments"
"""Kinds whose objects nobody but us writes to, once a rollout has come to its end."""


def there(kubectl: Kubectl, namespace: str, kinds: str) -> dict[str, Any]:
    """What is in a namespace, by "Kind/name"."""
    items = json.loads(kubectl("-n", namespace, "get", kinds, "-o", "json"))["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in items}


def quota(name: str, **hard: str) -> str:
    metadata = {"name": name}
    return json.dumps(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
    )


def only(spec: AppSpec, command: str) -> AppSpec:
    """The next release of an app, whose web process runs another command."""
    return replace(
        spec, release=spec.release + 1, processes=(replace(spec.processes[0], command=command),)
    )


class ClusterContract(Contract):
    """What every runtime must do, as a cluster's images let it be tried."""

    @pytest.fixture
    def case(self, app: AppSpec) -> Case:
        return Case(
            app,
            failing="echo oops; exit 9",
            printing="echo one; echo two >&2; exit 3",
            serves_from_ready=True,
        )


class Scenarios:
    """Collected by the runtime's modules."""

    def test_the_same_again_writes_nothing(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        spec = replace(app, processes=(replace(app.processes[0], quantity=2), worker(quantity=0)))
        deploy(runtime, spec, 1)
        before = settled(kubectl, namespace)
        deploy(runtime, spec, 2)
        assert settled(kubectl, namespace) == before
        assert runtime.drift([spec]) == {}
        assert runtime.preview(spec) == []

    def test_release_bodies_own_no_replicas(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        deploy(runtime, replace(app, processes=(replace(app.processes[0], quantity=3),)))
        shown = kubectl(
            "-n", namespace, "get", "deploy", "web", "-o", "json", "--show-managed-fields"
        )
        deployment = json.loads(shown)
        owners = {
            entry["manager"]
            for entry in deployment["metadata"]["managedFields"]
            if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        }
        assert owners == {"paas-scale"}
        assert deployment["spec"]["replicas"] == 3

    def test_what_is_no_longer_asked_for_goes_and_what_others_made_stays(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        two = replace(app.processes[0], quantity=2)
        deploy(runtime, replace(app, processes=(two, worker())), 1)
        theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}}
        kubectl("-n", namespace, "apply", "-f", "-", text=json.dumps(theirs))
        deploy(runtime, replace(app, release=2), 2)
        left = there(kubectl, namespace, f"{QUIET},poddisruptionbudgets")
        assert "Deployment/worker" not in left
        assert "PodDisruptionBudget/web" not in left
        assert "Secret/theirs" in left

    def test_somebody_elses_scale_is_a_named_conflict(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        spec = replace(app, processes=(*app.processes, worker()))
        deploy(runtime, spec, 1)
        kubectl("-n", namespace, "scale", "deployment/worker", "--replicas=3")
        assert runtime.scaled_by(spec.app_id, "worker").startswith("kubectl")
        assert runtime.scaled_by(spec.app_id, "web") == ""
        with pytest.raises(RuntimeFailure, match="kubectl"):
            deploy(runtime, replace(spec, processes=(*app.processes, worker(quantity=2))), 2)
        changed = replace(spec, environment={"BODY": "two"}, release=2)
        events = deploy(runtime, changed, 3)
        left = [event.text for event in events if isinstance(event, Progress)]
        assert any("How many worker processes run is left to kubectl" in text for text in left)
        workers = there(kubectl, namespace, "deployments")["Deployment/worker"]
        assert workers["spec"]["replicas"] == 3
        assert runtime.drift([changed]) == {}

    def test_somebody_elses_edit_is_a_named_conflict(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        deploy(runtime, app, 1)
        kubectl("-n", namespace, "set", "env", "deployment/web", "PORT=1234")
        with pytest.raises(RuntimeFailure, match=r"PORT.*kubectl"):
            deploy(runtime, app, 2)

    def test_an_autoscaler_decides_and_gives_back(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        scaled = replace(app.processes[0], autoscale=Autoscale(2, 4, 70))
        deploy(runtime, replace(app, processes=(scaled,)), 1)
        kinds = "deployments,poddisruptionbudgets,horizontalpodautoscalers"
        made = there(kubectl, namespace, kinds)
        scaler = made["HorizontalPodAutoscaler/web"]["spec"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
        assert made["Deployment/web"]["spec"]["replicas"] == 2
        assert "PodDisruptionBudget/web" in made
        deploy(runtime, app, 2)
        left = there(kubectl, namespace, kinds)
        assert list(left) == ["Deployment/web"]
        assert left["Deployment/web"]["spec"]["replicas"] == 1

    def test_a_crash_is_told_with_its_last_lines_and_the_old_serve_on(
        self, runtime: KubernetesRuntime, app: AppSpec
    ) -> None:
        deploy(runtime, app, 1)
        for command, reason, output in (
            ("echo starting; echo no DATABASE_URL >&2; exit 7", "status 7", "no DATABASE_URL"),
            ("exec /no/such/server", "status 127", "/no/such/server"),
        ):
            with pytest.raises(NotHealthy, match=reason) as failure:
                deploy(runtime, only(app, command), 2)
            assert failure.value.process == "web.1"
            assert output in failure.value.output[-1]
        assert _up(runtime, app) == [1]

    def test_a_used_up_quota_is_told(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        deploy(runtime, app, 1)
        text = quota("small", **{"requests.memory": "200Mi"})
        kubectl("-n", namespace, "apply", "-f", "-", text=text)
        with pytest.raises(NotHealthy, match="quota used up: it needs 128Mi memory"):
            deploy(runtime, replace(app, environment={"BODY": "two"}, release=2), 2)
        assert _up(runtime, app) == [1]

    def test_what_somebody_deleted_is_missed_and_comes_back(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        deploy(runtime, app, 1)
        before = there(kubectl, namespace, QUIET).keys()
        kubectl("-n", namespace, "delete", "service", "web")
        assert runtime.drift([app]) == {app.app_id: "Service web is missing"}
        deploy(runtime, app, 2)
        kubectl("delete", "namespace", namespace, "--wait=false")
        deploy(runtime, app, 3)
        assert there(kubectl, namespace, QUIET).keys() == before
        assert runtime.drift([app]) == {}

    def test_maintenance_leads_to_no_pod_and_back(
        self, runtime: KubernetesRuntime, app: AppSpec, kubectl: Kubectl, namespace: str
    ) -> None:
        deploy(runtime, app, 1)
        runtime.route(app.app_id, app.hosts, maintenance=True, routing=1)
        assert _led_to(there(kubectl, namespace, "ingresses")) == "closed"
        assert "Service/closed" in there(kubectl, namespace, "services")
        runtime.route(app.app_id, app.hosts, maintenance=False, routing=2)
        assert _led_to(there(kubectl, namespace, "ingresses")) == "web"

    def test_a_drain_may_take_one_process_at_a_time(
        self,
        runtime: KubernetesRuntime,
        app: AppSpec,
        kubectl: Kubectl,
        namespace: str,
        within: Within,
    ) -> None:
        deploy(runtime, replace(app, processes=(replace(app.processes[0], quantity=2),)))

        def status() -> dict[str, int]:
            budgets = there(kubectl, namespace, "poddisruptionbudgets")
            found: dict[str, int] = budgets["PodDisruptionBudget/web"].get("status") or {}
            return found

        within(lambda: status().get("currentHealthy") == 2)
        assert (status()["expectedPods"], status()["disruptionsAllowed"]) == (2, 1)
        first, second = there(kubectl, namespace, "pods")
        _evict(kubectl, namespace, first.removeprefix("Pod/"))
        within(lambda: len(_up(runtime, app)) == 2 and status()["disruptionsAllowed"] == 1)
        assert second in there(kubectl, namespace, "pods")

    def test_the_observer_hears_everything_once(
        self, runtime: KubernetesRuntime, settings: ClusterSettings, app: AppSpec, within: Within
    ) -> None:
        view = ClusterView(settings)
        heard: list[tuple[str, str]] = []

        def listen() -> None:
            view.observe()
            view.follow(lambda app_id: {} if app_id == app.app_id else None)
            heard.extend((one.process, one.text) for one in view.take() if not one.platform)

        def has(*lines: tuple[str, str]) -> Callable[[], bool]:
            def look() -> bool:
                listen()
                return set(lines) <= set(heard)

            return look

        try:
            says = replace(worker(), command="echo begin; sleep 7; echo out; exit 4")
            spec = replace(app, processes=(says,))
            deploy(runtime, spec)
            within(has(("worker.1", "out")), 40)
            within(lambda: listen() or heard.count(("worker.1", "begin")) == 2)
            assert heard.count(("worker.1", "out")) == 1
            one_off = runtime.run(spec, "echo once; exit 3", name="run.9", detached=True)
            within(has(("run.9", "once")))
            assert one_off.wait(30) == 3
            assert heard.count(("run.9", "once")) == 1
        finally:
            view.close()

    @pytest.mark.parametrize("detached", [False, True])
    def test_a_one_off_takes_the_place_of_what_a_lost_worker_has_left(
        self, runtime: KubernetesRuntime, app: AppSpec, detached: bool
    ) -> None:
        left = runtime.run(app, "echo one; sleep 1000", name="run.3", detached=detached)
        assert next(iter(left.lines())) == "one"
        again = runtime.run(app, "echo two; exit 3", name="run.3", detached=detached)
        assert list(again.lines()) == ["two"]
        assert again.wait(30) == 3
        again.stop()

    def test_a_terminal_is_as_large_as_it_was_said_to_be(
        self, runtime: KubernetesRuntime, app: AppSpec
    ) -> None:
        runtime.run_attached(app, "stty size; read word; echo got $word", name="run.1", timeout=60)
        attachment = runtime.attach(app.app_id, "run.1", Terminal(101, 31))
        os.write(attachment.stdin, b"hello\n")
        said = read_all(attachment.stdout).decode().replace("\r\n", "\n")
        assert "31 101\n" in said  # what was typed is echoed, maybe before it
        assert said.endswith("got hello\n")
        assert attachment.wait(30) == 0
        attachment.close()

    def test_standard_input_ends(self, runtime: KubernetesRuntime, app: AppSpec) -> None:
        runtime.run_attached(app, "wc -c; exit 6", name="run.1", timeout=60)
        attachment = runtime.attach(app.app_id, "run.1", None)
        os.write(attachment.stdin, b"x" * 1000)
        attachment.close_stdin()
        assert read_all(attachment.stdout).strip() == b"1000"
        assert attachment.wait(30) == 6
        attachment.close()


def settled(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """The versions of what is there, once the controllers have come to rest."""
    before: dict[str, str] = {}
    for _ in range(20):
        items = there(kubectl, namespace, QUIET)
        now = {key: one["metadata"]["resourceVersion"] for key, one in items.items()}
        if now == before:
            return now
        before = now
        time.sleep(1)
    raise AssertionError(f"{namespace} never came to rest")


def _led_to(ingresses: dict[str, Any]) -> str:
    (rule,) = ingresses["Ingress/web"]["spec"]["rules"]
    name: str = rule["http"]["paths"][0]["backend"]["service"]["name"]
    return name


def _evict(kubectl: Kubectl, namespace: str, pod: str) -> None:
    """Ask as a drain does."""
    metadata = {"name": pod, "namespace": namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", "-", text=json.dumps(body))


def _up(runtime: KubernetesRuntime, app: AppSpec) -> list[int]:
    """The releases of the processes that are up."""
    return [one.release for one in runtime.observe(app.app_id) if one.state == "up"]
