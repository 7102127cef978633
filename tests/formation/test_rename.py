"""Renaming: the address follows, the old name is free, and nobody loses a race."""

from __future__ import annotations

import pytest

from apps.accounts.errors import Conflict, Forbidden, NotFound, Refused
from apps.accounts.policy import Actor, Right
from apps.activity.models import Activity
from apps.catalog.manage import create_app
from apps.catalog.models import App, Collaborator
from apps.formation.change import roll_out_change
from apps.formation.models import Helm
from apps.formation.rename import rename


@pytest.fixture
def live(hello, make_build, make_release):
    roll_out_change(str(make_release(make_build()).id))
    return hello


def test_the_address_follows_at_once(live, alice, null):
    assert set(null.routes().hosts) == {"hello.localhost"}
    rename(Actor(alice), live, "ahoy")
    assert App.objects.get().name == "ahoy"
    assert null.routes().hosts == {"ahoy.localhost": str(live.id)}
    assert Activity.objects.first().verb == "app.rename"
    assert Activity.objects.first().details == {"before": "hello"}


def test_the_old_name_is_free(live, alice, bob):
    rename(Actor(alice), live, "ahoy")
    assert create_app(Actor(bob), "hello").owner == bob


def test_its_own_name_changes_nothing(hello, alice):
    rename(Actor(alice), hello, "hello")
    assert not Helm.objects.exists() and not Activity.objects.filter(verb="app.rename").exists()


@pytest.mark.parametrize("name", ["", "no", "Upper", "a b", "x" * 31, "apps", "nul\0", "taken"])
def test_names_no_app_can_have(hello, alice, bob, name):
    create_app(Actor(bob), "taken")
    with pytest.raises(Refused):
        rename(Actor(alice), hello, name)
    assert App.objects.get(pk=hello.pk).name == "hello"


def test_a_second_rename_at_the_same_time_is_told(hello, alice):
    stale = App.objects.get(pk=hello.pk)
    rename(Actor(alice), hello, "ahoy")
    with pytest.raises(Conflict):
        rename(Actor(alice), stale, "servus")
    assert App.objects.get(pk=hello.pk).name == "ahoy"


def test_only_who_manages_an_app_renames_it(hello, bob):
    with pytest.raises(NotFound):
        rename(Actor(bob), hello, "bobs")
    Collaborator.objects.create(app=hello, user=bob, right=Right.OPERATE)
    with pytest.raises(Forbidden):
        rename(Actor(bob), hello, "bobs")
