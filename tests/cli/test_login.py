"""Signing in and out: one token per panel, in a private file."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import TOKEN
from tests.cli.panel import FakePanel, Reply

Typed = Callable[..., subprocess.CompletedProcess[str]]
ISSUED = {
    "id": "4f6c1c2e",
    "user": {"email": "alice@example.org"},
    "access_token": {"token": "of-alice"},
}


@pytest.fixture
def typed(environment: dict[str, str], tmp_path: Path) -> Typed:
    """`typed("secret\\n", "login")` runs the command, signed in nowhere, with piped-in answers."""

    def run(text: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        signed_out = {**environment, "PAAS_URL": "", "PAAS_TOKEN": "", **extra}
        return subprocess.run(
            [sys.executable, "-c", "from paas.cli.main import main; main()", *arguments],
            cwd=tmp_path,
            env=signed_out,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def signed_in(typed: Typed, panel: FakePanel) -> Typed:
    panel.on("POST /auth/login", Reply(ISSUED, 201))
    result = typed("alice@example.org\ncorrect horse\n", "login", panel.url)
    assert result.returncode == 0, result.stderr
    return typed


def _file(environment: dict[str, str]) -> Path:
    return Path(environment["HOME"]) / ".config" / "paas" / "logins.json"


def test_login_keeps_the_token_in_a_private_file(
    signed_in: Typed, panel: FakePanel, environment: dict[str, str]
) -> None:
    (sent,) = panel.bodies("POST /auth/login")
    assert (sent["email"], sent["password"]) == ("alice@example.org", "correct horse")
    assert "Authorization" not in panel.asked[0].headers
    assert stat.S_IMODE(_file(environment).stat().st_mode) == 0o600
    assert "correct horse" not in _file(environment).read_text()


def test_what_follows_uses_the_login(signed_in: Typed, panel: FakePanel) -> None:
    panel.on("GET /account", {"email": "alice@example.org"})
    assert signed_in("", "auth:whoami").stdout == "alice@example.org\n"
    assert panel.asked[-1].headers["Authorization"] == "Bearer of-alice"
    assert signed_in("", "auth:token", PAAS_URL=panel.url).stdout == "of-alice\n"


def test_the_token_of_the_environment_counts_first(signed_in: Typed, panel: FakePanel) -> None:
    assert signed_in("", "auth:token", PAAS_URL=panel.url, PAAS_TOKEN=TOKEN).stdout == f"{TOKEN}\n"


def test_the_login_counts_before_the_machine_s_own_credentials(
    signed_in: Typed, panel: FakePanel, tmp_path: Path
) -> None:
    home = tmp_path / "instance"
    home.mkdir()
    facts = {"url": panel.url, "token": "of-admin", "user": "admin@localhost"}
    (home / "credentials.json").write_text(json.dumps(facts))
    assert signed_in("", "auth:token", PAAS_HOME=str(home)).stdout == "of-alice\n"
    (home / "credentials.json").write_text(json.dumps({**facts, "url": "http://localhost:1"}))
    assert signed_in("", "auth:token", PAAS_HOME=str(home)).stdout == "of-admin\n"


def test_logout_revokes_and_forgets(
    signed_in: Typed, panel: FakePanel, environment: dict[str, str]
) -> None:
    panel.on("DELETE /oauth/authorizations/4f6c1c2e", ISSUED)
    result = signed_in("", "logout")
    assert (result.returncode, result.stderr) == (0, "Logging out... done\n")
    assert panel.asked[-1].headers["Authorization"] == "Bearer of-alice"
    assert "of-alice" not in _file(environment).read_text()
    assert signed_in("", "logout").returncode == 1


def test_logout_of_a_token_that_has_ended(signed_in: Typed, panel: FakePanel) -> None:
    refusal = Reply({"id": "unauthorized", "message": "Invalid."}, 401)
    panel.on("DELETE /oauth/authorizations/4f6c1c2e", refusal)
    assert signed_in("", "logout").returncode == 0


def test_a_wrong_password_keeps_nothing(
    typed: Typed, panel: FakePanel, environment: dict[str, str]
) -> None:
    refusal: dict[str, Any] = {"id": "unauthorized", "message": "Invalid e-mail or password."}
    panel.on("POST /auth/login", Reply(refusal, 401))
    result = typed("wrong\n", "login", panel.url, "-e", "alice@example.org")
    assert result.returncode == 1
    assert "Invalid e-mail or password." in result.stderr
    assert not _file(environment).exists()


def test_nobody_types(typed: Typed, panel: FakePanel) -> None:
    assert typed("", "login", panel.url).returncode == 2
    assert typed("", "login", "ftp://nowhere").returncode == 1
    assert not panel.asked


def test_a_damaged_file_is_told(signed_in: Typed, environment: dict[str, str]) -> None:
    _file(environment).write_text("{")
    result = signed_in("", "auth:whoami")
    assert result.returncode == 1 and "is damaged" in result.stderr


def test_accepting_takes_the_panel_from_the_link(typed: Typed, panel: FakePanel) -> None:
    panel.on("POST /invitations/actions/accept", Reply({"email": "new@x.org"}, 201))
    link = f"{panel.url}/dashboard/invitations/t0ken"
    result = typed("a good password\n", "invitations:accept", link, "--name", "New")
    assert result.stdout == f"Welcome, new@x.org. Sign in: paas login {panel.url} -e new@x.org\n"
    assert panel.bodies("POST /invitations/actions/accept") == [
        {"token": "t0ken", "password": "a good password", "name": "New"}
    ]
