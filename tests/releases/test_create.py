"""Making releases: numbers, contents, secrecy."""

import threading

import pytest
from django.db import connection, connections

from apps.accounts.errors import Conflict, Unavailable
from apps.accounts.models import User
from apps.releases import vault
from apps.releases.create import Contents, create_release, newest_good, variables_of
from apps.releases.models import Release, ReleaseState


def _set(**variables):
    def compose(newest):
        return Contents(None, {**variables_of(newest), **variables}, "Set config vars")

    return compose


def _finish(release, state=ReleaseState.SUCCEEDED):
    Release.objects.filter(pk=release.pk).update(state=state)


def test_numbers_begin_at_one_and_grow(hello, alice):
    first = create_release(hello, alice, _set(A="1"))
    _finish(first)
    second = create_release(hello, alice, _set(B="2"))
    assert (first.name, second.name) == ("v1", "v2")
    assert variables_of(second) == {"A": "1", "B": "2"}


def test_a_failed_release_keeps_its_number_but_not_its_config(hello, alice):
    _finish(create_release(hello, alice, _set(A="1")))
    _finish(create_release(hello, alice, _set(A="broken")), ReleaseState.FAILED)
    third = create_release(hello, alice, _set(B="2"))
    assert third.name == "v3"
    assert variables_of(third) == {"A": "1", "B": "2"}
    assert newest_good(hello) == third


def test_a_second_writer_is_told_when_the_first_does_not_end(hello, alice):
    create_release(hello, alice, _set(A="1"))
    with pytest.raises(Conflict, match="still on its way"):
        create_release(hello, alice, _set(B="2"), wait=0.1)


def test_values_are_not_readable_in_the_database(hello, alice):
    create_release(hello, alice, _set(SECRET="canary-7f3a"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM releases_config")
        assert "canary-7f3a" not in str(cursor.fetchall())


def test_keys_can_be_rotated_but_not_lost(settings, hello, alice):
    from cryptography.fernet import Fernet

    release = create_release(hello, alice, _set(A="1"))
    old = list(settings.CONFIG_KEYS)
    settings.CONFIG_KEYS = [Fernet.generate_key().decode(), *old]
    vault._fernet.cache_clear()
    assert variables_of(release) == {"A": "1"}
    settings.CONFIG_KEYS = [Fernet.generate_key().decode()]
    vault._fernet.cache_clear()
    with pytest.raises(Unavailable, match="config_keys"):
        variables_of(release)
    settings.CONFIG_KEYS = old
    vault._fernet.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_lose_nothing(hello, alice):
    made = []

    def write(name):
        try:
            release = create_release(hello, alice, _set(**{name: name}), wait=20)
            made.append(release.version)
            _finish(release)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(f"V{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [1, 2, 3, 4, 5, 6]
    assert set(variables_of(newest_good(hello))) == {f"V{n}" for n in range(6)}


def test_a_release_outlives_whoever_is_removed_before_it_is_made(hello, bob):
    bob_as_it_was = User.objects.get(pk=bob.pk)
    bob.delete()
    release = create_release(hello, bob_as_it_was, lambda newest: Contents(None, {}, "x"), wait=0)
    release.refresh_from_db()
    assert release.user is None
