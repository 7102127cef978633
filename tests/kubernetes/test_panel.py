"""The panel's verbs against a cluster: released, scaled, rolled back, run, removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.utils import timezone

from apps.accounts.errors import Conflict, Refused
from apps.accounts.policy import Actor
from apps.builds.models import Build, BuildState
from apps.formation import runtime as formation_runtime
from apps.formation.autoscale import autoscale
from apps.formation.cron.clock import make_due
from apps.formation.helm import steering
from apps.formation.models import CronRun
from apps.formation.preview import preview
from apps.formation.reconcile import mend, mend_disturbed, reconcile, reconcile_all
from apps.formation.rollout import RolloutFailed, roll_out
from apps.formation.scale import Update, scale
from apps.formation.spec import spec_of
from apps.formation.sweep import sweep
from apps.releases.create import Contents, create_release
from apps.releases.models import UNFINISHED, Release, ReleaseState
from buildpacks.plan import CronTask, Manifest, Plan
from paas.runtimes.base import Autoscale
from paas.runtimes.kubernetes import KubernetesRuntime, guard, kinds
from paas.runtimes.kubernetes.board import Board
from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.view import ClusterView
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import SETTINGS
from tests.kubernetes.killing import killed_after

Roll = Callable[..., Release]
pytestmark = pytest.mark.django_db(transaction=True)
SLEEP = "exec sleep 1000"


@pytest.fixture
def panel(
    runtime: KubernetesRuntime, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KubernetesRuntime]:
    """The cluster is the panel's runtime; nothing is queued, tests call what a worker would."""
    formation_runtime.get_runtime.cache_clear()
    monkeypatch.setattr(formation_runtime, "make_runtime", lambda name, instance: runtime)
    for module in ("scale", "autoscale", "cron.verbs"):
        monkeypatch.setattr(f"apps.formation.{module}.enqueue", lambda *message: None)
    yield runtime
    formation_runtime.get_runtime.cache_clear()


@pytest.fixture
def begin(panel: KubernetesRuntime, hello: Any, alice: Any) -> Roll:
    """Make a release of these processes that nobody has rolled out yet."""

    def make(kind: str = "nix", cron: tuple[CronTask, ...] = (), **processes: str) -> Release:
        manifest = Manifest(cron=cron)
        plan = Plan(("procfile",), "Procfile", processes=processes, manifest=manifest)
        build = Build.objects.create(
            app=hello,
            user=alice,
            commit="c" * 40,
            branch="main",
            state=BuildState.SUCCEEDED,
            plan=plan.to_json(),
            artifact={"kind": kind, "path": "/nix/store/x", "digest": "d", "image": "img:1"},
        )
        return create_release(hello, alice, lambda newest: Contents(build, {}, "Deploy"))

    return make


@pytest.fixture
def roll(begin: Roll) -> Roll:
    """Make a release of these processes and bring it to its end."""

    def make(**how: Any) -> Release:
        release = begin(**how)
        lines: list[str] = []
        roll_out(release, lines.append)
        return release

    return make


def test_from_a_release_to_its_end(
    panel: KubernetesRuntime, roll: Roll, hello: Any, alice: Any
) -> None:
    first = roll(web=SLEEP, worker=SLEEP, release="echo migrating")
    assert first.state == ReleaseState.SUCCEEDED
    assert [one.name for one in panel.observe(str(hello.id))] == ["web.1"]
    scale(Actor(alice), hello, [Update("worker", "2")])
    assert reconcile(str(hello.id))
    up = [one.name for one in panel.observe(str(hello.id))]
    assert up == ["web.1", "worker.1", "worker.2"]
    with pytest.raises(RolloutFailed) as failure:
        roll(web="echo boom; exit 3", worker=SLEEP)
    assert failure.value.failure.why == "exited with status 3"
    assert failure.value.failure.output == ("boom",)
    assert {one.release for one in panel.observe(str(hello.id)) if one.state == "up"} == {1}
    assert any(line.startswith("~ Deployment web") for line in _preview_of(hello, alice))


def _preview_of(app: Any, user: Any) -> list[str]:
    return preview(Actor(user), app, Release.objects.get(app=app, version=2))


def test_a_build_for_one_machine_fails_its_release(roll: Roll) -> None:
    with pytest.raises(RolloutFailed) as failure:
        roll(kind="host", web=SLEEP)
    assert "PAAS_BUILDER=nix" in failure.value.failure.why


def test_a_foreign_number_is_a_conflict_with_a_name(
    kube: FakeKube, roll: Roll, hello: Any, alice: Any
) -> None:
    roll(web=SLEEP)
    path = kinds.DEPLOYMENT.path(f"paas-{hello.id}", "web")
    headers = {"Content-Type": "application/merge-patch+json"}
    body = json.dumps({"spec": {"replicas": 2}}).encode()
    address = f"{kube.url}{path}?fieldManager=kubectl-edit"
    urlopen(Request(address, body, headers, method="PATCH")).close()
    with pytest.raises(Conflict, match="kubectl-edit"):
        scale(Actor(alice), hello, [Update("web", "3")])


def test_an_autoscaled_type_has_no_fixed_number(roll: Roll, hello: Any, alice: Any) -> None:
    roll(web=SLEEP)
    with pytest.raises(Refused, match="range"):
        autoscale(Actor(alice), hello, "web", Autoscale(5, 2, 70))
    autoscale(Actor(alice), hello, "web", Autoscale(2, 4, 70))
    assert reconcile(str(hello.id))
    with pytest.raises(Refused, match="autoscaled"):
        scale(Actor(alice), hello, [Update("web", "3")])
    autoscale(Actor(alice), hello, "web", None)


def test_the_minute_s_reconcile_mends_what_was_deleted(
    panel: KubernetesRuntime, roll: Roll, hello: Any, settings: Any
) -> None:
    roll(web=SLEEP)
    Client().delete(kinds.SERVICE, f"paas-{hello.id}", "web")
    reconcile_all()
    assert Client().items(kinds.SERVICE, f"paas-{hello.id}", fields="metadata.name=web")
    said = (settings.INSTANCE.app_logs / str(hello.id) / "platform.raw").read_text()
    assert "mended: Service web is missing" in said


def test_what_was_deleted_is_back_within_seconds(
    kube: FakeKube,
    panel: KubernetesRuntime,
    roll: Roll,
    hello: Any,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    within: Callable[..., None],
    settings: Any,
) -> None:
    """Observer, Redis, the worker's clock, a reconcile: all but Celery, which is called by hand."""
    roll(web=SLEEP)
    board, namespace = Board(redis_url), f"paas-{hello.id}"
    runtime = KubernetesRuntime(SETTINGS, board)
    formation_runtime.get_runtime.cache_clear()
    monkeypatch.setattr(formation_runtime, "make_runtime", lambda name, instance: runtime)
    queued: list[str] = []
    monkeypatch.setattr(
        "apps.formation.reconcile.enqueue", lambda task, key: queued.append(f"{task} {key}")
    )
    start, view = len(kube.cluster.requests), ClusterView(SETTINGS, board)
    view.observe()

    def watches() -> int:
        return sum(call.verb == "watch" for call in kube.cluster.requests[start:])

    within(lambda: watches() >= len(guard.WATCHED) + 7)
    for kind in (kinds.SERVICE, kinds.INGRESS, kinds.DEPLOYMENT):
        began = time.monotonic()
        Client().delete(kind, namespace, "web")

        def is_back(kind: kinds.Kind = kind) -> bool:
            mend_disturbed()
            while queued:
                assert queued.pop() == f"mend {hello.id}"
                mend(str(hello.id))
            return bool(Client().items(kind, namespace, fields="metadata.name=web"))

        within(is_back, 10)
        assert time.monotonic() - began < 5
    view.close()
    said = (settings.INSTANCE.app_logs / str(hello.id) / "platform.raw").read_text()
    assert "mended: Deployment web is missing" in said


def test_cron_is_the_cluster_s_and_looks_as_ever(
    kube: FakeKube, roll: Roll, hello: Any, alice: Any, api: Any, within: Callable[..., None]
) -> None:
    with pytest.raises(RolloutFailed) as failure:
        roll(cron=(CronTask("tidy", "@daily"), CronTask("no", "0 4 L * *")), web=SLEEP)
    assert "known to the panel's own clock only" in failure.value.failure.why
    release = roll(cron=(CronTask("tidy", "0 3 * * 7"),), web=SLEEP, tidy="echo tidied; exit 3")
    assert release.state == ReleaseState.SUCCEEDED
    make_due(datetime(2026, 11, 29, 3, tzinfo=UTC))
    assert not CronRun.objects.exists(), "the panel's clock leaves it to the cluster's"
    call = api(alice)
    (shown,) = call("GET", "/apps/hello/cron")[1]
    name = f"cron-{shown['id']}"
    (found,) = Client().items(kinds.CRON_JOB, f"paas-{hello.id}")
    spec = found["spec"]
    assert (found["metadata"]["name"], spec["schedule"]) == (name, "0 3 * * 0")
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"][-1] == (
        "echo tidied; exit 3"
    )
    kube.cluster.run_cron_job(f"paas-{hello.id}", name)
    path = f"/apps/hello/cron/{shown['id']}/runs"
    within(lambda: [run["state"] for run in call("GET", path)[1]] == ["failed"])
    (run,) = call("GET", path)[1]
    assert (run["exit_status"], run["reason"]) == (3, "exited with status 3")
    assert call("GET", f"{path}/{run['id']}")[1]["process"] == run["process"]
    assert call("GET", "/apps/hello/cron")[1][0]["last_run"]["id"] == run["id"]
    call("PATCH", f"/apps/hello/cron/{shown['id']}", {"suspended": True})
    assert reconcile(str(hello.id))
    (found,) = Client().items(kinds.CRON_JOB, f"paas-{hello.id}")
    assert found["spec"]["suspend"] is True


@pytest.mark.parametrize("at", [3, 7])
def test_a_worker_killed_in_the_midst_leaves_no_release_unfinished(
    kube: FakeKube,
    panel: KubernetesRuntime,
    begin: Roll,
    roll: Roll,
    hello: Any,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
) -> None:
    """-9 for the process that applies; its rows are as it left them."""
    first = roll(web=SLEEP, worker=SLEEP)
    second = begin(web="exec sleep 999", worker="exec sleep 999", third=SLEEP)
    with steering(hello) as helm:
        killed_after(kube, spec_of(second), helm.token, at)
    long_ago = timezone.now() - timedelta(minutes=5)
    Release.objects.filter(pk=second.pk).update(state=ReleaseState.STARTING, updated_at=long_ago)
    queued: list[str] = []
    monkeypatch.setattr("apps.formation.sweep.enqueue", lambda task, key: queued.append(task))
    sweep()
    second.refresh_from_db()
    assert second.state == ReleaseState.FAILED
    assert queued == ["reconcile"]
    assert reconcile(str(hello.id))
    assert not Release.objects.filter(state__in=UNFINISHED).exists()
    assert panel.drift([spec_of(first)]) == {}
    assert {one.release for one in panel.observe(str(hello.id)) if one.state == "up"} == {1}
