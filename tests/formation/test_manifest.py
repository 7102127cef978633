"""app.json's env, by Heroku's and Dokku's rules."""

import pytest

from apps.accounts.errors import Refused
from apps.formation.manifest import complete_variables
from buildpacks.plan import EnvVar, Manifest


def _complete(held, *variables):
    return complete_variables(held, Manifest(env=variables))


def test_a_default_is_set():
    assert _complete({}, EnvVar("A", value="1")) == {"A": "1"}


def test_what_is_set_is_kept():
    assert _complete({"A": "mine"}, EnvVar("A", value="1")) == {"A": "mine"}


def test_sync_overwrites():
    assert _complete({"A": "mine"}, EnvVar("A", value="1", sync=True)) == {"A": "1"}


def test_a_secret_is_generated_once():
    first = _complete({}, EnvVar("KEY", generator="secret"))
    assert len(first["KEY"]) == 64
    assert _complete(first, EnvVar("KEY", generator="secret")) == first


def test_what_is_required_and_missing_fails_by_name():
    with pytest.raises(Refused, match=r"(?s)A, B.*config:set A=\.\.\. B=\.\.\."):
        _complete({}, EnvVar("A"), EnvVar("B"))


def test_what_is_optional_may_be_missing():
    assert _complete({}, EnvVar("A", required=False)) == {}
