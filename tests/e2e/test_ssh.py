"""git over SSH, from the first key to its end, as two users."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.ssh import Keyring
from tests.e2e.world import World

_MAKE_BOB = """
from apps.accounts.authorizations import issue
from apps.accounts.models import User
print(issue(User.objects.create_user("bob@example.org", None)).token)
"""


@pytest.fixture(scope="module")
def bob(world: World) -> dict[str, str]:
    """A second user's environment."""
    made = subprocess.run(
        [sys.executable, "-m", "django", "shell", "-v", "0", "-c", _MAKE_BOB],
        env={**world.environment, "DJANGO_SETTINGS_MODULE": "paas.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    url = f"http://localhost:{world.port}"
    return {**world.environment, "PAAS_URL": url, "PAAS_TOKEN": made.stdout.strip()}


@pytest.fixture(scope="module")
def app(world: World, keyring: Keyring) -> Path:
    folder = world.repository("procfile", "over-ssh")
    world.paas("create", "over-ssh", "--ssh-git", cwd=folder)
    return folder


def _paas(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["paas", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )


def test_make_up_shows_the_host_key(world: World) -> None:
    shown = subprocess.run(
        ["ssh-keyscan", "-p", str(world.ssh_port), "localhost"], capture_output=True, text=True
    )
    print_it = ["ssh-keygen", "-l", "-f", "-"]
    offered = subprocess.run(print_it, input=shown.stdout, capture_output=True, text=True)
    fingerprint = offered.stdout.split()[1]
    assert f"host key   {fingerprint} (ed25519)" in world.output()


def test_a_removed_key_pushes_no_more(world: World, keyring: Keyring, app: Path) -> None:
    world.paas("keys:add", str(keyring.make("laptop")))
    assert keyring.git("laptop", "ls-remote", "paas", cwd=app).returncode == 0
    assert "laptop" in world.paas("keys").stdout
    world.paas("keys:remove", "laptop")
    refused = keyring.git("laptop", "push", "paas", "main", cwd=app)
    assert refused.returncode == 128
    assert "None of your SSH keys is known here" in refused.stderr


def test_somebody_elses_app_reads_like_none(
    world: World, keyring: Keyring, app: Path, bob: dict[str, str]
) -> None:
    key = keyring.make("bob")
    assert _paas(bob, "keys:add", str(key)).returncode == 0
    foreign = keyring.git("bob", "push", "paas", "main", cwd=app)
    assert foreign.returncode == 128
    url = f"ssh://git@localhost:{world.ssh_port}/not-there.git"
    unknown = keyring.git("bob", "push", url, "main", cwd=app)
    assert foreign.stderr.replace("over-ssh", "not-there") == unknown.stderr
    assert "paas create not-there" in unknown.stderr


def test_a_key_belongs_to_one_user(world: World, keyring: Keyring, bob: dict[str, str]) -> None:
    key = str(keyring.make("shared"))
    world.paas("keys:add", key)
    refused = _paas(bob, "keys:add", key)
    assert refused.returncode == 1
    assert "in use already" in refused.stderr and "admin" not in refused.stderr
