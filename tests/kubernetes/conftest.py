"""A fake cluster of a module's own, and a runtime that speaks to it through a kubeconfig."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paas.runtimes.base import AppSpec, Artifact, ProcessSpec
from paas.runtimes.kubernetes import KubernetesRuntime
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.fakekube.server import FakeKube

pytest.register_assert_rewrite("tests.kubernetes.scenarios", "tests.runtimes.conformance")

SPEED = 5.0
"""Seconds of the cluster in one of ours."""
SETTINGS = ClusterSettings(patience=30.0, cluster_issuer="test")
IMAGE = "registry.example/app:1"
BUILD = Artifact("nix", "/nix/store/aaaa-app", "d1", image=IMAGE)

Within = Callable[..., None]
"""Wait until something is so, for so many seconds."""
Kubectl = Callable[..., str]
"""Runs `kubectl` with these arguments, `text` on its standard input; what it prints."""

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def kube() -> Iterator[FakeKube]:
    with FakeKube(speed=SPEED, run="all") as kube:
        yield kube


@pytest.fixture
def runtime(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KubernetesRuntime]:
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig(tmp_path / "kubeconfig")))
    yield KubernetesRuntime(SETTINGS)
    kube.cluster.faults.pods.clear()
    kube.cluster.faults.api.clear()


def web(command: str = "exec sleep 1000", quantity: int = 1, **more: Any) -> ProcessSpec:
    return ProcessSpec("web", command, quantity, **more)


def worker(command: str = "exec sleep 1000", quantity: int = 1, **more: Any) -> ProcessSpec:
    return ProcessSpec("worker", command, quantity, **more)


def make_spec(*processes: ProcessSpec, **more: Any) -> AppSpec:
    """An app nobody else uses."""
    number = next(_numbers)
    spec = AppSpec(
        app_id=f"id-app{number}",
        app_number=number,
        name=f"app{number}",
        release=1,
        artifact=BUILD,
        environment={"BODY": "one"},
        processes=processes or (web(),),
        hosts=(f"app{number}.localhost",),
    )
    return replace(spec, **more)


@pytest.fixture
def app() -> AppSpec:
    return make_spec()


@pytest.fixture
def within() -> Callable[[Callable[[], object]], None]:
    """Wait until something is so."""
    import time

    def wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it never came about"
            time.sleep(0.05)

    return wait


@pytest.fixture
def kubectl(runtime: KubernetesRuntime) -> Kubectl:
    """On the cluster of `runtime`; fails with what kubectl says."""

    def run(*arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [".venv/bin/kubectl", f"--kubeconfig={os.environ['KUBECONFIG']}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
