"""Several people at one instance: the admin, an owner, and somebody who is invited."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.world import World

APP = "shared-app"
PASSWORD = "a horse of another colour"


class Person:
    """Somebody at a machine of their own, who has only `paas` and git."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self.folder = world, folder
        folder.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in self._world.environment.items() if not k.startswith("PAAS_")}
        return {**kept, "HOME": str(self.folder)}

    def run(self, *command: str, typed: str = "", ok: bool = True, cwd: Path | None = None) -> str:
        """What it says; `ok` is whether it must succeed."""
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode == 0) is ok, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def login(self, email: str, password: str) -> None:
        url = f"http://localhost:{self._world.port}"
        self.run("paas", "login", url, "-e", email, typed=f"{password}\n")


@pytest.fixture(scope="module")
def owner(world: World, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Alice, whom the admin has made, with an app."""
    made = world.paas("users:create", "alice@example.org").stdout
    alice = Person(world, tmp_path_factory.mktemp("people") / "alice")
    alice.login("alice@example.org", made.split("Password:")[1].split()[0])
    alice.run("paas", "create", APP)
    return alice


@pytest.fixture(scope="module")
def invited(world: World, owner: Person) -> Person:
    """Bob, who came by Alice's invitation and may deploy."""
    said = owner.run("paas", "access:add", "bob@example.org", "-a", APP, "-p", "deploy")
    link = next(word for word in said.split() if word.startswith("http"))
    bob = Person(world, owner.folder.parent / "bob")
    bob.run("paas", "invitations:accept", link, typed=f"{PASSWORD}\n")
    bob.run("paas", "invitations:accept", link, typed=f"{PASSWORD}\n", ok=False)
    bob.login("bob@example.org", PASSWORD)
    return bob


def test_rights_hold_for_commands_and_git(owner: Person, invited: Person) -> None:
    repository = invited.folder / "work"
    invited.run("git", "init", "-q", "-b", "feature", str(repository))
    invited.run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=repository)
    invited.run("paas", "git:remote", "-a", APP, cwd=repository)
    push = ("git", "push", "-q", "paas", "feature")
    invited.run(*push, cwd=repository)
    assert "needs operate" in invited.run("paas", "config", "-a", APP, ok=False)
    assert "Only the owner" in invited.run("paas", "apps:destroy", APP, "-c", APP, ok=False)
    owner.run("paas", "access:update", "bob@example.org", "-a", APP, "-p", "view")
    invited.run("git", "commit", "-q", "--allow-empty", "-m", "y", cwd=repository)
    invited.run(*push, cwd=repository, ok=False)
    owner.run("paas", "access:update", "bob@example.org", "-a", APP, "-p", "deploy")
    invited.run(*push, cwd=repository)


def test_an_open_log_is_cut_when_access_ends(owner: Person, invited: Person) -> None:
    tail = subprocess.Popen(
        ["paas", "logs", "--tail", "-a", APP],
        cwd=invited.folder,
        env=invited.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(1)
        assert tail.poll() is None, "it follows"
        owner.run("paas", "access:remove", "bob@example.org", "-a", APP)
        _, said = tail.communicate(timeout=30)
    finally:
        tail.kill()
    assert tail.returncode == 1 and "Couldn't find that app" in said
    owner.run("paas", "access:add", "bob@example.org", "-a", APP)


def test_an_app_changes_hands_and_survives_its_owner(
    world: World, owner: Person, invited: Person
) -> None:
    owner.run("paas", "apps:transfer", "bob@example.org", "-a", APP)
    invited.run("paas", "apps:transfers:accept", "-a", APP)
    assert "bob@example.org    owner" in owner.run("paas", "access", "-a", APP)
    remove = ("users:remove", "bob@example.org", "--confirm", "bob@example.org")
    assert APP in world.paas(*remove, check=False).stderr
    world.paas(*remove, "--transfer-to", "alice@example.org")
    assert "Invalid credentials" in invited.run("paas", "apps", ok=False)
    assert "alice@example.org  owner" in owner.run("paas", "access", "-a", APP)


def test_login_and_logout_leave_nothing_readable(owner: Person, world: World) -> None:
    kept = owner.folder / ".config" / "paas" / "logins.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    token = owner.run("paas", "auth:token").strip()
    owner.run("paas", "logout")
    assert token not in kept.read_text()
    answer = world.get("/account", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 401
