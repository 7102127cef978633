"""The panel's account and pod in the cluster: valid, taken by kubectl, all that the parts need."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from paas.instance import current
from paas.launcher.parts import PARTS
from paas.runtimes.kubernetes import preflight
from tests.fakekube.conftest import KUBECTL, Kubectl
from tests.fakekube.server import FakeKube
from tests.packaging import compose

MODULES = compose.PROJECT / "nix/modules"
ACCOUNT, PANEL = MODULES / "account.yaml", MODULES / "panel.yaml"
VERSIONS = ("1.34", "1.35", "1.36")


def objects(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


@pytest.fixture(scope="module")
def kube() -> Iterator[FakeKube]:
    with FakeKube(speed=20, run="none") as kube:
        yield kube


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    (deployment,) = (body for body in objects(PANEL) if body["kind"] == "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    (config,) = (body for body in objects(PANEL) if body["kind"] == "ConfigMap")
    data: dict[str, str] = config["data"]
    return data


@pytest.mark.parametrize("file", [ACCOUNT, PANEL], ids=lambda file: file.name)
def test_every_object_is_valid(file: Path) -> None:
    for body in objects(file):
        for version in VERSIONS:
            kubernetes_validate.validate(body, version, strict=True)


def test_the_role_is_the_page_s() -> None:
    """tests/kubernetes/test_rights.py proves that role to be enough, and none of it idle."""
    page = (compose.PROJECT / "docs/operations.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?kind: ClusterRole\n.*?)```", page, re.DOTALL)
    assert yaml.safe_load(text) in objects(ACCOUNT)


def test_kubectl_makes_the_panel(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.kubeconfig(tmp_path / "kubeconfig")
    kubectl = Kubectl(tmp_path / "kubeconfig")
    for _ in range(2):
        kubectl("apply", "-f", str(ACCOUNT), "-f", str(PANEL))
    assert "unchanged" in kubectl("apply", "-f", str(PANEL))
    kubectl(
        "-n", "paas-panel", "wait", "--for=create", "pod", "-l", "app.kubernetes.io/name=paas-panel"
    )
    token = kube.cluster.call(lambda: kube.cluster.access.issue("paas-panel", "panel"))
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path / "account", token)))
    assert preflight.describe().startswith("on Kubernetes v")


def test_the_page_makes_a_kubeconfig_of_the_account_s(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of docs/operations.md, by kubectl, from a file as k3s writes it."""
    admin = kube.kubeconfig(tmp_path / "admin")
    admin.write_text(re.sub(r": fake$", ": default", admin.read_text(), flags=re.MULTILINE))
    page = (compose.PROJECT / "docs/operations.md").read_text()
    (script,) = re.findall(r"<!-- account -->\n```\n(.*?)```", page, re.DOTALL)
    kubectl = Kubectl(admin)
    kubectl("apply", "-f", str(ACCOUNT))
    token = kube.cluster.call(lambda: kube.cluster.access.issue("paas-panel", "panel"))
    server = kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    # The emulated cluster issues no tokens to kubectl.
    script = re.sub(r"^token=.*$", f"token={token}", script, flags=re.MULTILINE)
    script = script.replace("https://SERVER:6443", server)
    script = script.replace("nix/modules/", f"{MODULES}/")
    environ = {"PATH": f"{KUBECTL.parent}:/usr/bin:/bin", "KUBECONFIG": str(admin)}
    done = subprocess.run(
        ["sh", "-e", "-c", script], env=environ, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    made = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    assert [user["name"] for user in made["users"]] == ["panel"]
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert preflight.describe().startswith("on Kubernetes v")


def test_the_pod_holds_what_compose_starts(pod: dict[str, Any]) -> None:
    services = compose.read({})["services"]
    assert {one["name"] for one in pod["containers"]} == set(PARTS)
    started = {one["name"]: one for one in [*pod["initContainers"], *pod["containers"]]}
    assert started.keys() == services.keys()
    for name, container in started.items():
        command = [*container.get("command", []), *container.get("args", [])]
        given = services[name]["command"]
        assert command == (given if "command" in container else given[1:]), name
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        if name in PARTS:
            assert container["livenessProbe"]["exec"]["command"][-2:] == ["check", name]
    loose = {n for n, one in started.items() if one["securityContext"].get("procMount")}
    assert loose == {"web", "worker"}
    # The databases are there before `init`, and stay.
    first, second, last = pod["initContainers"]
    assert first["restartPolicy"] == second["restartPolicy"] == "Always"
    assert last["name"] == "init" and "restartPolicy" not in last


def test_the_parts_find_what_they_keep(pod: dict[str, Any], settings: dict[str, str]) -> None:
    mounted = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    claimed = {volume["name"] for volume in pod["volumes"]}
    used = {
        m["name"] for c in [*pod["initContainers"], *pod["containers"]] for m in c["volumeMounts"]
    }
    assert used == claimed
    here = current(settings)
    for folder in (here.home, here.run, Path(settings["PAAS_NIX_STORE"])):
        # Below a volume, not the volume itself, which Kubernetes makes root's.
        assert any(str(folder).startswith(f"{mount}/") for mount in mounted), folder
    assert here.origin == "http://apps.example.org"
    assert current(settings | {"PAAS_TLS": "proxy"}).origin == "https://apps.example.org"
    (ingress,) = (body for body in objects(PANEL) if body["kind"] == "Ingress")
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == [here.domain]
