"""`pytest -m cluster`: the scenarios of this folder on the cluster that KUBECONFIG names.

    KUBECONFIG=~/.kube/config PAAS_TEST_IMAGE=registry.example/http:1 \\
        .venv/bin/pytest -m cluster tests/kubernetes

`PAAS_TEST_IMAGE` has a `sh` and serves HTTP on $PORT by the command
`PAAS_TEST_COMMAND` (default: `exec python3 -m http.server $PORT`).
`PAAS_INGRESS_CLASS`, `PAAS_INGRESS_NAMESPACE` and the other variables of
docs/operations.md hold here, too; `PAAS_TEST_URL` is where the ingress
controller answers (left out: nothing is asked through it). Everything is in
namespaces that begin with `paas-test-`, and is deleted at the end.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from paas.runtimes.base import AppSpec, Check, NotHealthy, RuntimeFailure
from paas.runtimes.kubernetes import KubernetesRuntime
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.kubernetes.conftest import BUILD, Kubectl, make_spec, web
from tests.kubernetes.driving import deploy
from tests.kubernetes.scenarios import ClusterContract, Scenarios, only
from tests.kubernetes.test_rights import cluster_role, use_every_verb

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not os.environ.get("PAAS_TEST_IMAGE"), reason="PAAS_TEST_IMAGE names no image"
    ),
]
SERVE = os.environ.get("PAAS_TEST_COMMAND", "exec python3 -m http.server $PORT")
BEYOND = 1_000_000
PREFIX = "paas-test-"


@pytest.fixture
def settings() -> ClusterSettings:
    return ClusterSettings.of({**os.environ, "PAAS_NAMESPACE_PREFIX": PREFIX})


@pytest.fixture
def runtime(settings: ClusterSettings) -> KubernetesRuntime:
    return KubernetesRuntime(settings)


@pytest.fixture
def app(runtime: KubernetesRuntime) -> Iterator[AppSpec]:
    mark = uuid.uuid4().hex[:8]
    spec = make_spec(
        web(SERVE),
        app_id=f"id-{mark}",
        name=f"test-{mark}",
        hosts=(f"test-{mark}.localhost",),
        artifact=replace(BUILD, image=os.environ.get("PAAS_TEST_IMAGE", "")),
    )
    yield spec
    runtime.remove(spec.app_id, BEYOND)


@pytest.fixture
def panels_account(
    kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """From here on we are an account with the rights of docs/operations.md, and no others."""
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    role = cluster_role()
    role["metadata"]["name"] = name
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    kubectl("create", "namespace", name)
    try:
        kubectl("-n", name, "create", "serviceaccount", "panel")
        kubectl("apply", "-f", "-", text=json.dumps(role))
        bound = (f"--clusterrole={name}", f"--serviceaccount={name}:panel")
        kubectl("create", "clusterrolebinding", name, *bound)
        token = kubectl("-n", name, "create", "token", "panel").strip()
        config["users"][0]["user"] = {"token": token}
        with monkeypatch.context() as changed:
            (tmp_path / "panel").write_text(json.dumps(config))
            changed.setenv("KUBECONFIG", str(tmp_path / "panel"))
            yield
    finally:
        kubectl("delete", "--ignore-not-found", f"clusterrole/{name}", f"clusterrolebinding/{name}")
        kubectl("delete", "namespace", name, "--wait=false")


class TestContract(ClusterContract):
    """Every test of it."""


class TestScenarios(Scenarios):
    @pytest.fixture
    def namespace(self, app: AppSpec) -> str:
        return PREFIX + app.app_id


@pytest.mark.usefixtures("panels_account")
def test_the_panels_rights_are_enough(settings: ClusterSettings, app: AppSpec) -> None:
    use_every_verb(KubernetesRuntime(settings), settings, app)


def test_an_image_that_is_not_there_is_said_at_once(
    runtime: KubernetesRuntime, app: AppSpec
) -> None:
    deploy(runtime, app, 1)
    missing = replace(app.artifact, image="registry.invalid/nothing:1")
    with pytest.raises(NotHealthy, match="cannot start"):
        deploy(runtime, replace(app, artifact=missing, release=2), 2)
    assert [one.release for one in runtime.observe(app.app_id) if one.state == "up"] == [1]


def test_a_process_that_wants_too_much_is_told_so(runtime: KubernetesRuntime, app: AppSpec) -> None:
    size = replace(app.processes[0].size, memory_mb=4_000_000, name="huge")
    with pytest.raises(NotHealthy, match=r"room|quota"):
        deploy(runtime, replace(app, processes=(replace(app.processes[0], size=size),)), 1)


def test_a_process_that_uses_too_much_memory_is_told_so(
    runtime: KubernetesRuntime, app: AppSpec
) -> None:
    deploy(runtime, app, 1)
    with pytest.raises(NotHealthy, match="more than its 512Mi of memory"):
        deploy(runtime, only(app, "exec tail /dev/zero"), 2)
    assert [one.release for one in runtime.observe(app.app_id) if one.state == "up"] == [1]


def test_a_failing_health_check_is_told(settings: ClusterSettings, app: AppSpec) -> None:
    runtime = KubernetesRuntime(replace(settings, boot_seconds=5))
    unwell = replace(app.processes[0], checks=(Check(path="/no/such/page"),))
    with pytest.raises(NotHealthy, match=r"failed its health check for 5 seconds: .*404"):
        deploy(runtime, replace(app, processes=(unwell,)), 1)
    with pytest.raises(NotHealthy, match=r"did not accept connections on \$PORT"):
        deploy(runtime, only(app, "exec sleep 1000"), 2)


def test_metrics_or_why_there_are_none(runtime: KubernetesRuntime, app: AppSpec) -> None:
    deploy(runtime, app, 1)
    try:
        assert all(one.memory >= 0 for one in runtime.metrics(app.app_id))
    except RuntimeFailure as error:
        assert "metrics-server" in str(error)


@pytest.mark.skipif(not os.environ.get("PAAS_TEST_URL"), reason="PAAS_TEST_URL is not set")
def test_it_answers_through_the_ingress(
    runtime: KubernetesRuntime, app: AppSpec, within: Callable[..., None]
) -> None:
    deploy(runtime, app, 1)

    def answers() -> bool:
        asked = Request(os.environ["PAAS_TEST_URL"], headers={"Host": app.hosts[0]})
        try:
            with urlopen(asked, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    within(answers, 60)
