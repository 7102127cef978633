"""The panel's verbs against a cluster: released, scaled, rolled back, run, removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from apps.accounts.errors import Conflict, Refused
from apps.accounts.policy import Actor
from apps.builds.models import Build, BuildState
from apps.formation import runtime as formation_runtime
from apps.formation.autoscale import autoscale
from apps.formation.preview import preview
from apps.formation.reconcile import reconcile, reconcile_all
from apps.formation.rollout import RolloutFailed, roll_out
from apps.formation.scale import Update, scale
from apps.releases.create import Contents, create_release
from apps.releases.models import Release, ReleaseState
from buildpacks.plan import Plan
from paas.runtimes.base import Autoscale
from paas.runtimes.kubernetes import KubernetesRuntime, kinds
from paas.runtimes.kubernetes.client import Client
from tests.fakekube.server import FakeKube

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
    for module in ("scale", "autoscale"):
        monkeypatch.setattr(f"apps.formation.{module}.enqueue", lambda *message: None)
    yield runtime
    formation_runtime.get_runtime.cache_clear()


@pytest.fixture
def roll(panel: KubernetesRuntime, hello: Any, alice: Any) -> Roll:
    """Make a release of these processes and bring it to its end."""

    def make(kind: str = "nix", **processes: str) -> Release:
        plan = Plan(providers=("procfile",), name="Procfile", processes=processes)
        build = Build.objects.create(
            app=hello,
            user=alice,
            commit="c" * 40,
            branch="main",
            state=BuildState.SUCCEEDED,
            plan=plan.to_json(),
            artifact={"kind": kind, "path": "/nix/store/x", "digest": "d", "image": "img:1"},
        )
        release = create_release(hello, alice, lambda newest: Contents(build, {}, "Deploy"))
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
