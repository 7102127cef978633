from __future__ import annotations

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet

from paas.instance import Instance
from paas.keys import (
    CA_KEY,
    CONFIG_KEYS,
    INTERNAL_TOKEN,
    NIX_KEY,
    SECRET_KEY,
    SSH_HOST_KEY,
    KeysError,
    ensure_keys,
    read_key,
    ssh_fingerprint,
)

NAMES = (SECRET_KEY, CONFIG_KEYS, INTERNAL_TOKEN, SSH_HOST_KEY, CA_KEY, NIX_KEY)


def _keys(instance: Instance) -> list[str]:
    return [read_key(instance, name) for name in NAMES]


def test_the_first_run_makes_private_keys(instance: Instance) -> None:
    ensure_keys(instance)
    assert len(set(_keys(instance))) == len(NAMES)
    assert stat.S_IMODE(instance.home.stat().st_mode) == 0o700
    for name in NAMES:
        assert stat.S_IMODE((instance.keys / name).stat().st_mode) == 0o600
    Fernet(read_key(instance, CONFIG_KEYS))


def test_later_runs_keep_them(instance: Instance) -> None:
    ensure_keys(instance)
    before = _keys(instance)
    ensure_keys(instance)
    assert _keys(instance) == before


def test_no_two_instances_share_a_key(instance: Instance) -> None:
    ensure_keys(instance)
    before = _keys(instance)
    for name in NAMES:
        (instance.keys / name).unlink()
    ensure_keys(instance)
    assert not set(before) & set(_keys(instance))


def test_two_at_once_agree(instance: Instance) -> None:
    instance.home.mkdir(mode=0o700)
    with ThreadPoolExecutor(8) as pool:
        for started in [pool.submit(ensure_keys, instance) for _ in range(8)]:
            started.result()
    assert sorted(path.name for path in instance.keys.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666])
def test_a_key_that_others_can_read_is_refused(instance: Instance, mode: int) -> None:
    ensure_keys(instance)
    path = instance.keys / SECRET_KEY
    path.chmod(mode)
    with pytest.raises(KeysError, match=f"chmod 600 {path}"):
        ensure_keys(instance)
    with pytest.raises(KeysError):
        read_key(instance, SECRET_KEY)


@pytest.mark.parametrize("name", [SECRET_KEY, CONFIG_KEYS])
def test_a_database_without_its_key_is_refused(instance: Instance, name: str) -> None:
    ensure_keys(instance)
    instance.database.touch()
    (instance.keys / name).unlink()
    with pytest.raises(KeysError, match="paas restore"):
        ensure_keys(instance)
    assert not (instance.keys / name).exists()


def test_the_internal_token_belongs_to_no_database(instance: Instance) -> None:
    ensure_keys(instance)
    instance.database.touch()
    (instance.keys / INTERNAL_TOKEN).unlink()
    ensure_keys(instance)
    assert read_key(instance, INTERNAL_TOKEN)


def test_a_key_cut_off_in_writing_is_no_key(instance: Instance) -> None:
    ensure_keys(instance)
    (instance.keys / SECRET_KEY).write_text("")
    with pytest.raises(KeysError, match="empty"):
        read_key(instance, SECRET_KEY)


def test_the_host_key_has_the_fingerprint_that_ssh_shows(instance: Instance) -> None:
    ensure_keys(instance)
    path = instance.keys / SSH_HOST_KEY
    shown = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True)
    assert shown.stdout.split()[1] == ssh_fingerprint(instance)
    assert shown.stdout.endswith("(ED25519)\n")


@pytest.mark.parametrize("text", ["no key", "-----BEGIN X-----\nAAAA\n-----END X-----"])
def test_a_host_key_that_is_none_is_refused(instance: Instance, text: str) -> None:
    ensure_keys(instance)
    (instance.keys / SSH_HOST_KEY).write_text(text)
    with pytest.raises(KeysError, match="is no SSH key"):
        ssh_fingerprint(instance)
