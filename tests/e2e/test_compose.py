"""compose.yaml at work: its commands with PostgreSQL, Redis and a cluster, and an app pushed."""

from __future__ import annotations

import json
import signal
import stat
import time
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest

from paas.runtimes.kubernetes import kinds
from tests import postgres
from tests.e2e.composed import Composed, composed
from tests.fakekube.server import FakeKube
from tests.nix.stores import shared_store, unusable
from tests.packaging import compose

_WHY_NOT = unusable() or ("" if postgres.installed() else "PostgreSQL is missing")
pytestmark = [pytest.mark.skipif(bool(_WHY_NOT), reason=_WHY_NOT or "-"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def kube() -> Iterator[FakeKube]:
    with FakeKube(speed=5, run="none") as kube:
        yield kube


@pytest.fixture(scope="module")
def panel(kube: FakeKube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    folder = tmp_path_factory.mktemp("composed")
    store = shared_store(tmp_path_factory)
    with composed(folder, kube.kubeconfig(folder / "kubeconfig"), store) as panel:
        yield panel


def test_the_first_start_makes_the_secrets(panel: Composed) -> None:
    """Two `init` at once, as two `docker compose up` would: one set of keys, one admin."""
    private = [panel.home / "admin-password", *(panel.home / "keys").iterdir()]
    assert len(private) > 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert panel.paas("auth:whoami").stdout.strip() == "admin@localhost"
    assert len(json.loads(panel.paas("users", "--json").stdout)) == 1


def test_each_service_passes_its_own_health_check(panel: Composed) -> None:
    for part in compose.PANEL:
        done = panel.check(part)
        assert (done.returncode, done.stdout) == (0, "ok\n"), (part, done.stderr)
    answer = panel.get("/healthz")
    assert set(json.loads(answer.body)["parts"].values()) == {"ok"}


def test_a_push_reaches_the_cluster(panel: Composed, kube: FakeKube) -> None:
    app = panel.repository("static", "composed-static")
    panel.paas("create", "composed", cwd=app)
    said = panel.git("push", "paas", "main", cwd=app, timeout=600).stderr
    assert "Released v1" in said and "http://composed.localhost/" in said
    with urlopen(kube.url + kinds.DEPLOYMENT.path("")) as answer:
        (deployment,) = json.load(answer)["items"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    # k3s' containerd cannot start `nix:0`, so its nodes pull from the panel's registry.
    assert container["image"].startswith(f"localhost:{panel.port}/")
    assert "web.1" in panel.paas("ps", cwd=app).stdout


def test_a_second_clock_waits_and_takes_over(panel: Composed) -> None:
    second = panel.start("beat", "beat.2")
    log = panel.folder / "beat.2.log"
    within(lambda: "waits for its end" in log.read_text())
    panel.running["beat"].send_signal(signal.SIGKILL)
    panel.running["beat"].wait()
    within(lambda: "beat: Starting" in log.read_text())
    assert second.poll() is None and panel.check("beat").returncode == 0


def test_a_dead_part_is_seen_and_comes_back(panel: Composed) -> None:
    panel.running["observer"].send_signal(signal.SIGKILL)
    panel.running["gateway"].send_signal(signal.SIGKILL)
    for part in ("observer", "gateway"):
        panel.running[part].wait()
    done = panel.check("gateway")
    assert done.returncode == 1 and "gateway does not answer" in done.stderr
    for part in ("observer", "gateway"):
        panel.start(part)
    panel.wait_healthy()


def test_a_backup_while_it_runs_and_no_restore(panel: Composed) -> None:
    file = panel.folder / "backup"
    done = panel.tool("paas", "backup", str(file))
    assert done.returncode == 0, done.stderr
    refused = panel.tool("paas", "restore", str(file), "--force")
    assert refused.returncode != 0 and "Parts of the instance" in refused.stderr
    launcher = panel.tool("python", "-m", "paas.launcher")
    assert launcher.returncode == 3 and "Parts of the instance" in launcher.stderr


def test_the_next_version_begins_beside_this_one(panel: Composed) -> None:
    """`docker compose up` after an upgrade: init migrates while the old parts serve."""
    assert panel.start("init", "init.3").wait(60) == 0
    assert panel.get("/healthz").status == 200


def within(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)
