"""A push to a cluster: real git, real Nix, the fake API server, and nodes that run the closure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from paas.sandbox import remove_tree
from tests.e2e import node
from tests.e2e.breaking import push_in_background
from tests.e2e.node import Node
from tests.e2e.parts import Faults, processes, wait_settled
from tests.e2e.world import World, running
from tests.fakekube.errors import Json
from tests.fakekube.faults import PodFault
from tests.fakekube.kinds import Kind
from tests.fakekube.server import FakeKube
from tests.nix import containerd
from tests.nix.stores import shared_store, unusable

pytestmark = [
    pytest.mark.skipif(bool(unusable()), reason=unusable() or "-"),
    pytest.mark.timeout(900),
]
APP = "on-a-cluster"
FIRST = 600.0
SPEED = 5.0  # seconds of the cluster in one of ours


@dataclass
class Cluster:
    """The fake API server, the panel before it, and one node."""

    world: World
    kube: FakeKube
    node: Node
    created: dict[str, float]
    """Kind → when the first of an app was created."""

    @property
    def namespace(self) -> str:
        return f"paas-{json.loads(self.world.paas('apps:info', '-a', APP, '--json').stdout)['id']}"

    def get(self, kind: str, name: str) -> Json:
        found = self.kube.cluster.get(kind, self.namespace, name)
        assert found is not None, f"no {kind} {name}"
        return found

    def container(self, name: str = "web") -> Json:
        """Of a Deployment's template."""
        (found,) = self.get("Deployment", name)["spec"]["template"]["spec"]["containers"]
        return dict(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Iterator[Cluster]:
    """The Flask sample, pushed once."""
    folder = tmp_path_factory.mktemp("cluster")
    here = Node(tmp_path_factory.mktemp("node"))
    plays = [sys.executable, node.__file__, str(here.folder)]
    with FakeKube(speed=SPEED, run="all", node=plays) as kube:
        settings = {
            "PAAS_BUILDER": "nix",
            "PAAS_RUNTIME": "kubernetes",
            "PAAS_NIX_PACKAGES": "debian",
            "PAAS_NIX_STORE": str(shared_store(tmp_path_factory)),
            "PAAS_FAULTS_DIR": str(faults.folder),
            "KUBECONFIG": str(kube.kubeconfig(folder / "kubeconfig")),
        }
        with running(folder, **settings) as world:
            cluster = Cluster(world, kube, here, {})
            _note_creations(cluster)
            key = json.loads(world.paas("cache:info", "--json").stdout)["public_key"]
            token = world.paas("nodes:tokens:create", "node-1", "--short").stdout.strip()
            here.configure(f"{world.origin}/cache", key, token)
            app = world.repository("flask", "app")
            world.paas("create", APP, cwd=app)
            yield cluster
    remove_tree(here.folder / "store")


def _note_creations(cluster: Cluster) -> None:
    refuse = cluster.kube.cluster.verbs.before_create

    def noting(kind: Kind, obj: Json) -> None:
        cluster.created.setdefault(kind.kind, time.time())
        refuse(kind, obj)

    cluster.kube.cluster.verbs.before_create = noting


def within(seconds: float, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.1)


def states(world: World) -> dict[str, str]:
    listed = json.loads(world.paas("ps", "-a", APP, "--json").stdout)
    return {one["name"]: one["state"] for one in listed}


def artifact(world: World) -> dict[str, Any]:
    build = json.loads(world.paas("builds:info", "-a", APP, "--json").stdout)
    return dict(build["artifact"])


def test_a_push_is_built_cached_and_released(site: Cluster) -> None:
    world = site.world
    site.created.clear()
    said = world.git("push", "paas", "main", cwd=world.folder / "app", timeout=FIRST).stderr
    assert "to the cache" in said and "Running release command" in said
    assert "release phase with greeting no greeting" in said, "a Job that ran the closure"
    assert "Released v1" in said and "Verifying deploy... done." in said
    made = artifact(world)
    assert site.container()["image"] == f"nix:0{made['image']}"
    assert site.container()["args"][0] == made["path"]
    # All that a node needs was in the cache before the cluster was told of anything.
    files = {one.name: one.stat().st_mtime for one in (world.home / "cache/nix").glob("*.narinfo")}
    needed = [Path(path).name.partition("-")[0] for path in site.node.fetch(made["image"])]
    assert len(needed) > 30
    last = max(files[f"{name}.narinfo"] for name in needed)
    assert {"Namespace", "Secret", "Job", "Deployment", "Ingress"} <= site.created.keys()
    assert last <= min(site.created.values())


def test_what_runs_is_shown(site: Cluster) -> None:
    world = site.world
    assert states(world) == {"web.1": "up"}
    world.paas("ps:scale", "worker=1", "-a", APP)
    within(30, lambda: states(world) == {"web.1": "up", "worker.1": "up"})

    def logged() -> bool:
        logs = world.paas("logs", "-a", APP, "-n", "500").stdout
        return "app[worker.1]: worker tick" in logs and "Listening at: http://0.0.0.0:8080" in logs

    within(30, logged)
    world.paas("ps:scale", "worker=0", "-a", APP)


@pytest.mark.skipif(containerd.missing(), reason="needs containerd")
def test_containerd_runs_it_from_a_node_s_store(site: Cluster) -> None:
    """What came through the cache is enough, and says what was pushed."""
    made = artifact(site.world)
    site.node.fetch(made["image"])
    closure = {path: site.node.physical(path) for path in site.node.fetch(made["path"])}
    with containerd.containerd() as ctr:
        names = containerd.import_image(ctr, site.node.physical(made["image"]))
        name = f"nix:0{made['image']}:latest"
        assert name in names
        assert "flask one" in containerd.answer_of(ctr, name, closure)


def test_config_maintenance_preview_and_rollback(site: Cluster) -> None:
    world = site.world
    assert "done, v2" in world.paas("config:set", "GREETING=hi", "-a", APP).stderr
    secret = site.get("Secret", site.container()["envFrom"][0]["secretRef"]["name"])
    assert "GREETING" in secret["data"]
    assert "All is as v2 says" in world.paas("releases:preview", "v2", "-a", APP).stderr
    would = world.paas("releases:preview", "v1", "-a", APP).stdout
    assert "~ Deployment web" in would
    assert "done, v3" in world.paas("rollback", "v1", "-a", APP).stderr
    secret = site.get("Secret", site.container()["envFrom"][0]["secretRef"]["name"])
    assert "GREETING" not in secret["data"]

    def backend() -> str:
        (rule,) = site.get("Ingress", "web")["spec"]["rules"]
        return str(rule["http"]["paths"][0]["backend"]["service"]["name"])

    assert backend() == "web"
    world.paas("maintenance:on", "-a", APP)
    within(30, lambda: backend() != "web")
    within(60, lambda: states(world) == {"web.1": "up"})  # those of v2 have gone
    world.paas("maintenance:off", "-a", APP)
    within(30, lambda: backend() == "web")


def test_an_image_that_cannot_be_pulled_rejects_the_push(site: Cluster) -> None:
    world, app = site.world, site.world.folder / "app"
    before = site.container()["image"]
    world.set_version(app, "never pulled")
    fault = PodFault("pull", namespace=site.namespace, container="web")
    site.kube.cluster.faults.pods.append(fault)
    pushed = world.git("push", "paas", "main", cwd=app, check=False)
    site.kube.cluster.faults.clear()
    assert pushed.returncode != 0 and "Traceback" not in pushed.stderr
    assert "neither on the machine nor in the binary cache" in pushed.stderr
    assert "Push rejected, failed to release the app" in pushed.stderr
    assert site.container()["image"] == before
    assert states(world) == {"web.1": "up"}
    releases = json.loads(world.paas("releases", "-a", APP, "--json").stdout)
    assert [one["current"] for one in releases if one["version"] == 3] == [True]


@pytest.mark.parametrize("point", ["release.ready", "release.committed"])
def test_killed_in_the_midst_one_reconcile_mends_it(
    site: Cluster, faults: Faults, point: str
) -> None:
    world = site.world
    app = world.folder / "app"
    world.set_version(app, point)
    faults.order(point, "pause")
    push = push_in_background(world, app)
    faults.wait_hit(point, 120)
    _kill_all(world)
    push.communicate(timeout=60)
    assert push.returncode != 0
    faults.clear()
    world.up()
    wait_settled(world)
    listed = json.loads(world.paas("releases", "-a", APP, "--json").stdout)
    (current,) = [one for one in listed if one["current"]]
    forward = point == "release.committed"
    assert (current["version"] == max(one["version"] for one in listed)) is forward

    def as_it_says() -> bool:
        said = world.paas("releases:preview", f"v{current['version']}", "-a", APP).stderr
        return "All is as" in said and states(world) == {"web.1": "up"}

    within(60, as_it_says)
    assert world.git("push", "paas", "main", cwd=app, check=False).returncode == 0


def _kill_all(world: World) -> None:
    """Every process of the instance at once, the launcher first."""
    assert world.launcher is not None
    parts = processes(world)
    world.launcher.send_signal(signal.SIGKILL)
    for part in parts:
        try:
            os.kill(part.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    world.launcher.wait()
    psutil.wait_procs(parts, timeout=30)
    world.launcher = None


def test_by_the_registry_and_gone(site: Cluster) -> None:
    """The other transport, and the end."""
    world = site.world
    app = world.folder / "app"
    world.down()
    world.extra["PAAS_IMAGE_TRANSPORT"] = "registry"
    world.up()
    world.set_version(app, "by the registry")
    assert "Verifying deploy... done." in world.git("push", "paas", "main", cwd=app).stderr
    namespace = site.namespace
    image = site.container()["image"]
    name = f"localhost:{world.port}/{namespace.removeprefix('paas-')}@sha256:"
    assert image.startswith(name)
    login = (site.node.folder / "netrc").read_text().split()
    asked = f"{world.origin}/v2/{image.partition('/')[2].replace('@', '/manifests/')}"
    argv = ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}"]
    argv += ["-u", f"{login[3]}:{login[5]}", asked]
    assert subprocess.run(argv, capture_output=True, text=True).stdout == "200"
    world.paas("apps:destroy", "--confirm", APP, "-a", APP)
    within(30, lambda: site.kube.cluster.get("Namespace", "", namespace) is None)
