"""Rolling out: one commit point, the previous release goes on until then."""

import threading

import pytest

from apps.formation.change import roll_out_change
from apps.formation.helm import steering
from apps.formation.models import Helm
from apps.formation.reconcile import reconcile
from apps.formation.rollout import RolloutFailed, roll_out
from apps.releases.log import release_log
from apps.releases.models import ReleaseState
from apps.releases.queries import current_release

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_release_becomes_current(hello, null, make_build, make_release):
    release = make_release(make_build(), A="1")
    roll_out_change(str(release.id))
    release.refresh_from_db()
    assert (release.state, release.current) == (ReleaseState.SUCCEEDED, True)
    assert {status.name for status in null.observe(str(hello.id))} == {"web.1"}
    assert release_log(release).end().state == "succeeded"


def test_the_next_one_takes_over(hello, make_build, make_release):
    first = make_release(make_build("a" * 40))
    roll_out_change(str(first.id))
    second = make_release(make_build("b" * 40))
    roll_out_change(str(second.id))
    assert current_release(hello) == second
    first.refresh_from_db()
    assert not first.current


def test_doing_it_twice_changes_nothing(hello, make_build, make_release):
    release = make_release(make_build())
    roll_out_change(str(release.id))
    roll_out_change(str(release.id))
    assert current_release(hello) == release


def test_a_release_without_code_is_live_at_once(hello, null, make_release):
    release = make_release(None, A="1")
    roll_out_change(str(release.id))
    assert current_release(hello) == release
    assert null.observe(str(hello.id)) == []


def test_a_cancelled_rollout_leaves_the_old_release(hello, null, make_build, make_release):
    first = make_release(make_build("a" * 40))
    roll_out_change(str(first.id))
    second = make_release(make_build("b" * 40))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RolloutFailed) as caught:
        roll_out(second, lambda line: None, cancel=cancel)
    assert caught.value.cancelled
    assert current_release(hello) == first
    assert {status.release for status in null.observe(str(hello.id))} == {first.version}


def test_who_steers_is_alone(hello, make_build, make_release):
    release = make_release(make_build())
    with steering(hello):
        assert not reconcile(str(hello.id), wait=0)
    assert reconcile(str(hello.id), wait=0)
    release.refresh_from_db()


def test_reconcile_catches_up_with_what_is_wanted(hello, null, make_build, make_release):
    roll_out_change(str(make_release(make_build()).id))
    hello.processes.filter(type="worker").update(quantity=2)
    Helm.objects.filter(app=hello).update(wanted=5)
    assert reconcile(str(hello.id))
    assert Helm.objects.get(app=hello).applied == 5
    names = {status.name for status in null.observe(str(hello.id))}
    assert names == {"web.1", "worker.1", "worker.2"}
