"""create, git:remote, apps:destroy: what becomes of the user's repository."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import TOKEN, Run
from tests.cli.panel import FakePanel, Reply


@pytest.fixture
def hello(panel: FakePanel) -> dict[str, str]:
    app = {
        "name": "hello",
        "git_url": f"{panel.url}/hello.git",
        "ssh_git_url": "ssh://git@localhost:2222/hello.git",
        "web_url": panel.url.replace("localhost", "hello.localhost") + "/",
    }
    panel.on("POST /apps", Reply(app, 201))
    panel.on("GET /apps/hello", app)
    panel.on("DELETE /apps/hello", app)
    return app


def _config(repository: Path, *arguments: str) -> list[str]:
    found = subprocess.run(
        ["git", "-C", repository, "config", "--local", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.splitlines()


def test_create_connects_the_repository(
    paas: Run, panel: FakePanel, hello: dict[str, str], repository: Path
) -> None:
    result = paas("create", "hello", cwd=repository)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{hello['web_url']} | {hello['git_url']}\n"
    assert "Creating app... done, ⬢ hello" in result.stderr
    assert panel.bodies("POST /apps") == [{"name": "hello"}]
    assert _config(repository, "--get", "remote.paas.url") == [hello["git_url"]]


def test_over_ssh_no_token_is_kept(
    paas: Run, hello: dict[str, str], repository: Path, environment: dict[str, str]
) -> None:
    for arguments in (("create", "hello"), ("git:remote", "-a", "hello")):
        result = paas(*arguments, "--ssh-git", cwd=repository)
        assert result.returncode == 0, result.stderr
        assert hello["ssh_git_url"] in result.stdout
    assert _config(repository, "--get", "remote.paas.url") == [hello["ssh_git_url"]]
    assert not (Path(environment["HOME"]) / ".config").exists()


def test_the_app_of_a_remote_over_ssh_is_known(
    paas: Run, hello: dict[str, str], repository: Path
) -> None:
    paas("create", "hello", "--ssh-git", cwd=repository)
    assert "=== hello" in paas("apps:info", cwd=repository).stdout
    assert paas("apps:destroy", "--confirm", "hello", cwd=repository).returncode == 0
    assert _config(repository, "--get", "remote.paas.url") == []


def test_the_token_is_in_a_private_file_and_nowhere_in_the_repository(
    paas: Run, hello: dict[str, str], repository: Path, environment: dict[str, str]
) -> None:
    paas("create", "hello", cwd=repository)
    kept = Path(environment["HOME"]) / ".config" / "paas" / "git-credentials"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert TOKEN in kept.read_text()
    files = [path for path in (repository / ".git").rglob("*") if path.is_file()]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_git_finds_the_token(
    paas: Run,
    panel: FakePanel,
    hello: dict[str, str],
    repository: Path,
    environment: dict[str, str],
) -> None:
    """A real git against a server that demands Basic auth; helpers of the user's own stay out."""
    (Path(environment["HOME"]) / ".gitconfig").write_text("[credential]\n\thelper = store\n")
    paas("create", "hello", cwd=repository)
    refs = "/hello.git/info/refs?service=git-upload-pack"
    demand = Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="paas"'}, raw=b"")
    head = b"001e# service=git-upload-pack\n0000"
    line = b"0" * 40 + b" capabilities^{}\0agent=test\n"
    listing = Reply(
        raw=head + f"{len(line) + 4:04x}".encode() + line + b"0000",
        headers={"Content-Type": "application/x-git-upload-pack-advertisement"},
    )
    panel.on(f"GET {refs}", demand, listing)
    listed = subprocess.run(
        ["git", "ls-remote", "paas"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert listed.returncode == 0, listed.stderr
    sent = [one.headers.get("Authorization") for one in panel.asked if one.path == refs]
    assert sent == [None, "Basic " + base64.b64encode(f"paas:{TOKEN}".encode()).decode()]
    assert not (Path(environment["HOME"]) / ".git-credentials").exists()


def test_twice_changes_nothing(paas: Run, hello: dict[str, str], repository: Path) -> None:
    paas("create", "hello", cwd=repository)
    before = (repository / ".git" / "config").read_bytes()
    again = paas("git:remote", "-a", "hello", cwd=repository)
    assert again.returncode == 0
    assert (repository / ".git" / "config").read_bytes() == before


def test_a_new_token_replaces_the_old(
    paas: Run, hello: dict[str, str], repository: Path, environment: dict[str, str]
) -> None:
    paas("create", "hello", cwd=repository)
    paas("git:remote", "-a", "hello", cwd=repository, PAAS_TOKEN="another")
    kept = Path(environment["HOME"]) / ".config" / "paas" / "git-credentials"
    assert len(kept.read_text().splitlines()) == 1
    assert "another" in kept.read_text()


def test_a_remote_that_points_elsewhere_is_kept(
    paas: Run, hello: dict[str, str], repository: Path
) -> None:
    other = "https://paas.example.org/other.git"
    subprocess.run(["git", "-C", repository, "remote", "add", "paas", other], check=True)
    made = paas("create", "hello", cwd=repository)
    assert made.returncode == 0
    assert f"git remote set-url paas {hello['git_url']}" in made.stderr
    asked = paas("git:remote", "-a", "hello", cwd=repository)
    assert asked.returncode == 1
    assert other in asked.stderr
    assert _config(repository, "--get", "remote.paas.url") == [other]


def test_create_outside_a_repository_says_how_to_go_on(paas: Run, hello: dict[str, str]) -> None:
    result = paas("create", "hello")
    assert result.returncode == 0
    assert "paas git:remote -a hello" in result.stderr


def test_a_taken_name_is_explained(paas: Run, panel: FakePanel) -> None:
    taken = {"id": "invalid_params", "message": "Name hello is already taken."}
    panel.on("POST /apps", Reply(taken, 422), Reply({**taken, "message": "A bad name."}, 422))
    result = paas("create", "hello")
    assert result.returncode == 1
    assert "Error: Name hello is already taken." in result.stderr
    assert "paas git:remote -a hello" in result.stderr
    assert "git:remote" not in paas("create", "hello").stderr


def test_create_as_json_prints_the_app_alone(paas: Run, hello: dict[str, str]) -> None:
    assert json.loads(paas("create", "hello", "--json").stdout) == hello


def test_destroy_wants_the_name(paas: Run, panel: FakePanel, hello: dict[str, str]) -> None:
    assert paas("apps:destroy", "-a", "hello").returncode == 2
    assert paas("apps:destroy", "-a", "hello", "--confirm", "other").returncode == 2
    assert not panel.asked


def test_destroy_removes_the_remote(paas: Run, hello: dict[str, str], repository: Path) -> None:
    paas("create", "hello", cwd=repository)
    assert paas("apps:destroy", "--confirm", "hello", cwd=repository).returncode == 0
    assert _config(repository, "--get", "remote.paas.url") == []


def test_rename_moves_the_remote(
    paas: Run, panel: FakePanel, hello: dict[str, str], repository: Path
) -> None:
    paas("create", "hello", cwd=repository)
    renamed = hello | {"name": "ahoy", "git_url": hello["git_url"].replace("hello", "ahoy")}
    panel.on("GET /apps/hello", hello)
    panel.on("PATCH /apps/hello", renamed)
    done = paas("apps:rename", "ahoy", cwd=repository)
    assert done.returncode == 0 and "Renaming hello to ahoy... done" in done.stderr
    assert panel.bodies("PATCH /apps/hello") == [{"name": "ahoy"}]
    assert _config(repository, "--get", "remote.paas.url") == [renamed["git_url"]]


def test_rename_leaves_another_remote(
    paas: Run, panel: FakePanel, hello: dict[str, str], repository: Path
) -> None:
    paas("create", "hello", cwd=repository)
    other = hello | {"name": "other", "git_url": hello["git_url"].replace("hello", "other")}
    panel.on("GET /apps/other", other)
    panel.on("PATCH /apps/other", other | {"git_url": hello["git_url"].replace("hello", "ahoy")})
    assert paas("apps:rename", "ahoy", "-a", "other", cwd=repository).returncode == 0
    assert _config(repository, "--get", "remote.paas.url") == [hello["git_url"]]


def test_a_long_list_comes_in_pages(paas: Run, panel: FakePanel) -> None:
    following = {"Next-Range": "name ]b..; max=2, order=asc"}
    panel.on("GET /apps", Reply([{"name": "a"}, {"name": "b"}], 206, following), [{"name": "c"}])
    assert paas("apps").stdout.split() == ["a", "b", "c"]
    assert [one.headers.get("Range") for one in panel.asked] == [None, following["Next-Range"]]
