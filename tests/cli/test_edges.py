"""Which panel, which app; errors, exit codes, start-up."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from paas.cli.registry import _MODULE_OF
from tests.cli.conftest import TOKEN, Run
from tests.cli.panel import FakePanel, Reply


def _credentials(home: Path, url: str, token: str = "from-file") -> None:
    home.mkdir(exist_ok=True)
    facts = {"url": url, "token": token, "user": "admin@localhost"}
    (home / "credentials.json").write_text(json.dumps(facts))


def test_token_is_printed_alone(paas: Run) -> None:
    assert paas("auth:token").stdout == f"{TOKEN}\n"


def test_credentials_of_the_instance(paas: Run, panel: FakePanel, tmp_path: Path) -> None:
    _credentials(tmp_path / "instance", panel.url)
    here = {"PAAS_URL": "", "PAAS_TOKEN": "", "PAAS_HOME": str(tmp_path / "instance")}
    assert paas("auth:token", **here).stdout == "from-file\n"
    panel.on("GET /account", {"email": "admin@localhost"})
    assert paas("auth:whoami", **here).stdout == "admin@localhost\n"
    assert panel.asked[0].headers["Authorization"] == "Bearer from-file"


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"PAAS_URL": "", "PAAS_TOKEN": ""}, "make up"),
        ({"PAAS_TOKEN": ""}, "PAAS_TOKEN is not set"),
        ({"PAAS_URL": "ftp://x"}, "Use http(s)://host"),
        ({"PAAS_URL": "http://user:pw@x"}, "Use http(s)://host"),
        ({"PAAS_TOKEN": "a\nb"}, "The token"),
    ],
)
def test_no_usable_panel(paas: Run, extra: dict[str, str], text: str) -> None:
    result = paas("apps", **extra)
    assert result.returncode == 1
    assert text in result.stderr


def test_the_app_comes_from_option_then_variable_then_remote(
    paas: Run, panel: FakePanel, repository: Path
) -> None:
    remote = f"{panel.url}/of-remote.git"
    subprocess.run(["git", "-C", repository, "remote", "add", "paas", remote], check=True)
    for name in ("of-option", "of-variable", "of-remote"):
        panel.on(f"GET /apps/{name}/dynos", [])
    paas("ps", "-a", "of-option", cwd=repository, PAAS_APP="of-variable")
    paas("ps", cwd=repository, PAAS_APP="of-variable")
    paas("ps", cwd=repository)
    asked = [one.path.split("/")[2] for one in panel.asked]
    assert asked == ["of-option", "of-variable", "of-remote"]


def test_a_remote_of_another_panel_is_not_followed(
    paas: Run, panel: FakePanel, repository: Path
) -> None:
    remote = "http://localhost:1/hello.git"
    subprocess.run(["git", "-C", repository, "remote", "add", "paas", remote], check=True)
    result = paas("ps", cwd=repository)
    assert result.returncode == 1
    assert remote in result.stderr
    assert not panel.asked


def test_no_app_is_a_usage_error(paas: Run) -> None:
    result = paas("ps")
    assert result.returncode == 2
    assert "paas git:remote -a NAME" in result.stderr


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_that_are_path_steps_are_refused(paas: Run, panel: FakePanel, name: str) -> None:
    assert paas("apps:info", "--app", name, "-a", name).returncode == 2
    assert not panel.asked


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a b", "a%2fb", "$(id)", "a\nb", "é", "'\""])
def test_names_are_quoted(paas: Run, panel: FakePanel, name: str) -> None:
    result = paas("apps:info", "-a", name)
    assert result.returncode == 1
    assert len(panel.asked[0].path.split("/")) == 3
    assert not set(panel.asked[0].path) & set("?# \n'\"$")


def test_bytes_that_are_no_text(paas: Run, panel: FakePanel) -> None:
    assert paas("apps:info", "-a", b"\xff").returncode == 2
    assert not panel.asked


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply({"id": "forbidden", "message": "Not yours."}, 403), "Error: Not yours."),
        (Reply({"id": "unauthorized", "message": "No."}, 401), "PAAS_TOKEN"),
        (Reply(raw=b"<html>", status=502), "answered 502: the panel is not behind it"),
        (Reply(raw=b"<html>"), "is not JSON"),
        (Reply({"id": "x", "message": "a\x1b[31m\x07b"}, 422), "Error: ab"),
    ],
)
def test_refusals(paas: Run, panel: FakePanel, reply: Reply, text: str) -> None:
    panel.on("GET /apps", reply)
    result = paas("apps")
    assert result.returncode == 1
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_nobody_listens(paas: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        result = paas("apps", PAAS_URL=url)
    assert result.returncode == 1
    assert f"The panel at {url} is not answering. Is `make up` running?" in result.stderr


def test_unexpected_faults_show_no_traceback_unless_asked(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /account", ["not", "an", "account"])
    assert "Traceback" not in paas("auth:whoami").stderr
    assert "Traceback" in paas("auth:whoami", PAAS_DEBUG="1").stderr


def test_unknown_commands(paas: Run) -> None:
    result = paas("rolback")
    assert result.returncode == 2
    assert "rollback" in result.stderr


@pytest.mark.parametrize("command", sorted(_MODULE_OF))
def test_help_has_an_example(paas: Run, command: str) -> None:
    result = paas("help", command)
    assert result.returncode == 0, result.stderr
    assert "Example: " in result.stdout
    assert f"paas {command}".replace("apps:create", "create") in result.stdout


def test_the_list_of_commands(paas: Run) -> None:
    shown = paas("help").stdout
    assert all(f"\n  {command} " in shown for command in _MODULE_OF)
    assert shown == paas("--help").stdout


def test_nothing_slow_is_imported(panel: FakePanel, environment: dict[str, str]) -> None:
    panel.on("GET /apps/hello/dynos", [])
    check = (
        "import sys\n"
        "from paas.cli.main import main\n"
        "sys.argv = ['paas', 'ps', '-a', 'hello', '--json']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'django', 'pydantic', 'rich', 'httpx', 'importlib.metadata', 'apps'}\n"
        "sys.exit(str(slow & set(sys.modules)) if slow & set(sys.modules) else 0)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", check],
        env={**environment, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_authorizations(paas: Run, panel: FakePanel) -> None:
    made = {
        "id": "4f6c",
        "description": "ci",
        "scope": ["read", "write"],
        "access_token": {"token": "new", "expires_in": 60},
    }
    panel.on("POST /oauth/authorizations", Reply(made, 201))
    panel.on("DELETE /oauth/authorizations/4f6c", made)
    shown = paas("authorizations:create", "-d", "ci", "-s", "read,write", "-e", "60").stdout
    assert "Token:       new\n" in shown
    wanted = {"description": "ci", "scope": ["read", "write"], "expires_in": 60}
    assert panel.bodies("POST /oauth/authorizations") == [wanted]
    assert paas("authorizations:revoke", "4f6c").returncode == 0
