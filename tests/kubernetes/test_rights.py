"""The ClusterRole of docs/operations.md is enough for everything, and nothing in it is idle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from paas.runtimes.base import (
    AppSpec,
    Autoscale,
    CronTask,
    HostCertificate,
    RuntimeFailure,
    Terminal,
)
from paas.runtimes.kubernetes import KubernetesRuntime, preflight
from paas.runtimes.kubernetes.board import Board
from paas.runtimes.kubernetes.guard import WATCHED
from paas.runtimes.kubernetes.kinds import INGRESS, MIDDLEWARE, SECRET
from paas.runtimes.kubernetes.metrics import NoMetrics
from paas.runtimes.kubernetes.settings import ClusterSettings
from paas.runtimes.kubernetes.view import ClusterView
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS, make_spec, worker
from tests.kubernetes.driving import deploy, namespace
from tests.pem import pair
from tests.runtimes.conformance import read_all

PAGE = Path("docs/operations.md")


def cluster_role() -> dict[str, Any]:
    (text,) = re.findall(r"```yaml\n(.*?kind: ClusterRole\n.*?)```", PAGE.read_text(), re.DOTALL)
    role: dict[str, Any] = yaml.safe_load(text)
    return role


def make(kube: FakeKube, path: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    urlopen(Request(kube.url + path, json.dumps(body).encode(), headers, method="POST")).close()


@pytest.fixture(scope="module")
def kube() -> Iterator[FakeKube]:
    with FakeKube(speed=5, run="all") as kube:
        yield kube


@pytest.fixture
def runtime(kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesRuntime:
    """One that has the rights of the page's account, and no others."""
    group = "rbac.authorization.k8s.io"
    make(kube, "/api/v1/namespaces", {"metadata": {"name": "paas-panel"}})
    make(kube, "/api/v1/namespaces/paas-panel/serviceaccounts", {"metadata": {"name": "panel"}})
    make(kube, f"/apis/{group}/v1/clusterroles", cluster_role())
    subject = {"kind": "ServiceAccount", "name": "panel", "namespace": "paas-panel"}
    make(
        kube,
        f"/apis/{group}/v1/clusterrolebindings",
        {
            "metadata": {"name": "paas-panel"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "paas-panel"},
            "subjects": [subject],
        },
    )
    token = kube.cluster.call(lambda: kube.cluster.access.issue("paas-panel", "panel"))
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path / "kubeconfig", token)))
    return KubernetesRuntime(SETTINGS)


def test_every_verb_with_only_these_rights(
    kube: FakeKube, runtime: KubernetesRuntime, within: Callable[[Callable[[], object]], None]
) -> None:
    spec = make_spec()
    use_every_verb(
        runtime,
        SETTINGS,
        spec,
        run_cron_job=lambda: kube.cluster.run_cron_job(namespace(spec), "cron-aaaa1111"),
        watched=lambda: within(lambda: _all_watched(kube)),
    )
    refused = [call for call in kube.cluster.requests if call.status == 403]
    assert refused == []
    _nothing_idle(kube)


def use_every_verb(
    runtime: KubernetesRuntime,
    settings: ClusterSettings,
    spec: AppSpec,
    *,
    run_cron_job: Callable[[], object] | None = None,
    watched: Callable[[], object] = lambda: None,
) -> None:
    """Do with an app all that the panel ever does; `spec` has a web process.

    Args:
        run_cron_job: starts the app's scheduled task now, where the cluster can be told to.
        watched: returns when all that is watched is.
    """
    assert preflight.describe().startswith("on Kubernetes v")
    (web,), other, own = spec.processes, f"other.{spec.hosts[0]}", f"own.{spec.hosts[0]}"
    changed = replace(spec, release=2, processes=(web, worker("exec sleep 999")), routing=1)
    task = CronTask("aaaa1111", 0, "true", "0 3 * * *", "forbid", False, 60)
    scaled = (replace(web, autoscale=Autoscale(2, 3, 70)), worker(quantity=2))
    spec = replace(spec, processes=scaled, cron=(task,))
    deploy(runtime, spec, 1)
    if run_cron_job is not None:
        run_cron_job()
        (run,) = runtime.scheduled_runs(spec.app_id)
        assert runtime.stop(spec.app_id, run.process)
    runtime.preview(replace(spec, release=2))
    deploy(runtime, changed, 2)
    assert runtime.drift([changed]) == {}
    certificate = HostCertificate((own,), *pair(own))
    runtime.route(
        spec.app_id, (other, own), maintenance=True, routing=2, certificates=(certificate,)
    )
    runtime.route(spec.app_id, (other,), maintenance=True, routing=3)
    assert runtime.apps()
    assert runtime.observe()
    assert runtime.routes().hosts
    assert runtime.scaled_by(spec.app_id, "worker") == ""
    runtime.certificate(other)
    with pytest.raises(RuntimeFailure):
        deploy(runtime, replace(changed, processes=(replace(web, command="exit 3"),), release=3), 3)
    deploy(runtime, replace(changed, processes=(web,), release=4), 4)
    phase = runtime.run(spec, "echo one", name="release.4", timeout=60)
    assert list(phase.lines()) == ["one"]
    phase.stop()
    detached = runtime.run(spec, "echo two", name="run.5", detached=True, timeout=60)
    assert detached.wait(30) == 0
    assert runtime.find_one_off(spec.app_id, "run.5") is not None
    runtime.run_attached(spec, "echo three", name="run.6", timeout=60)
    attachment = runtime.attach(spec.app_id, "run.6", Terminal())
    assert b"three" in read_all(attachment.stdout)
    attachment.close()
    runtime.run_attached(spec, "echo never", name="run.7", timeout=60)
    assert runtime.stop(spec.app_id, "run.7")
    runtime.tend()
    with suppress(NoMetrics):
        runtime.metrics(spec.app_id)
    view = ClusterView(settings, Board("unix:///nowhere"))
    view.observe()
    watched()
    view.follow(lambda app_id: {})
    view.close()
    runtime.remove(spec.app_id, 5)


def _all_watched(kube: FakeKube) -> bool:
    watched = {call.resource for call in kube.cluster.requests if call.verb == "watch"}
    return {kind.plural for kind in (*WATCHED, INGRESS, MIDDLEWARE, SECRET)} <= watched


def _nothing_idle(kube: FakeKube) -> None:
    """Each verb of the role was used, but what needs a cluster with more in it."""
    used = {(call.resource, call.verb) for call in kube.cluster.requests}
    absent = {"gateways", "httproutes", "challenges", "certificates"}
    granted = {
        (resource, verb)
        for rule in cluster_role()["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if resource not in absent
    }
    # `create` is asked for by every apply of what is new; the fake counts it as `patch`.
    applied = {(resource, "create") for resource, verb in used if verb == "patch"}
    # A websocket is opened by `get`, but a real server asks for `create` as well.
    applied.add(("pods/attach", "create"))
    # Deleting a namespace deletes what is in it; these are pruned in no scene.
    spared = {("networkpolicies", "delete"), ("middlewares", "delete")}
    assert granted - used - applied <= spared | {("secrets", "delete"), ("services", "delete")}
