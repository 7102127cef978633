"""Leases and arrows, on the rows that have them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.builds.models import ACTIVE, BUILD_ARROWS, Build, BuildState
from paas import leases
from paas.leases import LeaseLost, move


@pytest.fixture
def build(hello, alice):
    return Build.objects.create(app=hello, user=alice, commit="c" * 40, branch="main")


def _expire(build):
    Build.objects.filter(pk=build.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_a_held_row_cannot_be_claimed(build):
    assert leases.claim(Build, build.pk) == 1
    assert leases.claim(Build, build.pk) is None


def test_an_expired_lease_is_taken_over_with_a_higher_token(build):
    first = leases.claim(Build, build.pk)
    _expire(build)
    second = leases.claim(Build, build.pk)
    assert second > first
    assert not leases.renew(Build, build.pk, first)
    assert leases.renew(Build, build.pk, second)


def test_whoever_lost_the_lease_moves_nothing(build):
    first = leases.claim(Build, build.pk)
    _expire(build)
    leases.claim(Build, build.pk)
    with pytest.raises(LeaseLost):
        move(build, BUILD_ARROWS, BuildState.BUILDING, token=first)
    build.refresh_from_db()
    assert build.state == BuildState.PENDING


def test_two_cannot_make_the_same_move(build):
    twin = Build.objects.get(pk=build.pk)
    move(build, BUILD_ARROWS, BuildState.BUILDING)
    with pytest.raises(LeaseLost):
        move(twin, BUILD_ARROWS, BuildState.BUILDING)


@pytest.mark.parametrize("state", BuildState.values)
@pytest.mark.parametrize("to", BuildState.values)
def test_only_arrows_are_moves(build, state, to):
    Build.objects.filter(pk=build.pk).update(state=state)
    build.refresh_from_db()
    if to in BUILD_ARROWS[state]:
        move(build, BUILD_ARROWS, to)
        assert build.state == to
    else:
        with pytest.raises(ValueError, match="no arrow"):
            move(build, BUILD_ARROWS, to)


def test_final_states_are_final():
    for state in BuildState:
        assert (state in ACTIVE) == bool(BUILD_ARROWS[state])


@pytest.mark.parametrize("state", ACTIVE)
def test_one_push_at_a_time(build, hello, state):
    Build.objects.filter(pk=build.pk).update(state=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        Build.objects.create(app=hello, commit="d" * 40, branch="main")
