"""An app whose processes do not come up is tried again, later and later."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.formation.models import Helm
from apps.formation.reconcile import reconcile
from apps.formation.rollout import roll_out
from paas.runtimes.null import Outcome

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call(api, alice, hello, make_build, make_release):
    roll_out(make_release(make_build()), lambda line: None)
    return api(alice)


def _scale(call, quantity: int) -> None:
    updates = {"updates": [{"type": "worker", "quantity": quantity}]}
    status, _ = call("PATCH", "/apps/hello/formation", updates)
    assert status == 200


def _worker(call) -> dict:
    _, dynos = call("GET", "/apps/hello/dynos")
    return next(dyno for dyno in dynos if dyno["name"] == "worker.1")


def test_it_waits_longer_after_each_failure(call, hello, null):
    null.outcomes["work"] = Outcome(127)
    _scale(call, 1)
    delays = []
    for _ in range(9):
        assert not reconcile(hello.id)
        helm = Helm.objects.get(app=hello)
        delays.append(round((helm.retry_at - timezone.now()).total_seconds()))
        Helm.objects.update(retry_at=timezone.now())
    assert delays == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_until_then_nothing_is_started(call, hello, null):
    null.outcomes["work"] = Outcome(127)
    _scale(call, 1)
    reconcile(hello.id)
    null.outcomes.clear()
    assert not reconcile(hello.id)
    Helm.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert reconcile(hello.id)
    assert _worker(call)["state"] == "up"
    assert Helm.objects.get(app=hello).failures == 0


def test_the_list_of_processes_says_which_and_why(call, hello, null):
    null.outcomes["work"] = Outcome(127)
    _scale(call, 1)
    reconcile(hello.id)
    worker = _worker(call)
    assert (worker["state"], worker["reason"]) == ("crashed", "exited with status 127")


def test_a_change_is_tried_at_once(call, hello, null):
    null.outcomes["work"] = Outcome(127)
    _scale(call, 1)
    reconcile(hello.id)
    _scale(call, 0)
    assert reconcile(hello.id)
