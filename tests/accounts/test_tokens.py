"""Tokens: hashed, scoped, expiring, revocable, shown once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import authorizations
from apps.accounts.auth import actor_for_token
from apps.accounts.authorizations import issue
from apps.accounts.errors import Forbidden, NotFound, Refused
from apps.accounts.models import Authorization
from apps.accounts.policy import Actor


def test_the_token_itself_is_not_kept(alice):
    issued = issue(alice)
    row = Authorization.objects.filter(pk=issued.authorization.pk).values().get()
    assert issued.token not in {str(value) for value in row.values()}
    assert actor_for_token(issued.token).user == alice


def test_an_expired_token_is_nobody(alice):
    issued = issue(alice, expires_in=60)
    Authorization.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert actor_for_token(issued.token) is None


def test_a_revoked_token_is_nobody(alice):
    issued = issue(alice)
    authorizations.revoke(Actor(alice), issued.authorization.id)
    assert actor_for_token(issued.token) is None


def test_a_token_of_an_inactive_user_is_nobody(alice):
    issued = issue(alice)
    alice.is_active = False
    alice.save()
    assert actor_for_token(issued.token) is None


def test_nobody_revokes_somebody_elses_token(alice, bob):
    issued = issue(alice)
    with pytest.raises(NotFound):
        authorizations.revoke(Actor(bob), issued.authorization.id)
    assert actor_for_token(issued.token) is not None


def test_a_narrow_token_makes_no_tokens(alice):
    actor = Actor(alice, frozenset({"write"}))
    with pytest.raises(Forbidden):
        authorizations.create(actor, description="", scopes=["global"], expires_in=None)


@pytest.mark.parametrize("scopes", [[], ["all"], ["global", "root"]])
def test_unknown_scopes_are_refused(alice, scopes):
    with pytest.raises(Refused):
        issue(alice, scopes=scopes)


@pytest.mark.parametrize("seconds", [0, -1, 10**18])
def test_a_life_out_of_bounds_is_refused(alice, seconds):
    with pytest.raises(Refused):
        issue(alice, expires_in=seconds)
