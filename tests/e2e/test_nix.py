"""The samples again, built by Nix: pushed, answering, changed; and no secret in the store."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.sandbox import remove_tree
from tests.e2e.support import NIX_BEGIN, SAMPLE_APPS, Sample, versions, write
from tests.e2e.world import World, running
from tests.nix.stores import shared_store, unusable

pytestmark = [
    pytest.mark.skipif(bool(unusable()), reason=unusable() or "-"),
    pytest.mark.timeout(900),
]
FIRST = 600.0
CANARY = "canary-8c1f0e5d7a"
SAMPLES = [one for one in SAMPLE_APPS if one.name != "procfile"]


@pytest.fixture(scope="module")
def nixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = {
        "PAAS_BUILDER": "nix",
        "PAAS_NIX_PACKAGES": "debian",
        "PAAS_NIX_STORE": str(shared_store(tmp_path_factory)),
    }
    with running(tmp_path_factory.mktemp("nixed"), **settings) as world:
        yield world


@pytest.fixture(scope="module")
def proven() -> Iterator[dict[str, str]]:
    found: dict[str, str] = {}
    yield found
    if os.environ.get("PAAS_WRITE_SUPPORT"):
        write(found, NIX_BEGIN)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_answers(nixed: World, proven: dict[str, str], sample: Sample) -> None:
    name = f"nix-{sample.name.replace('_', '-')}"
    app = nixed.repository(sample.name, name)
    if sample.name == "flask_uv":
        nixed.shell(["uv", "lock"], cwd=app, check=True)
        nixed.commit(app, "lock")
    nixed.paas("create", name, cwd=app)
    said = nixed.git("push", "paas", "main", cwd=app, timeout=FIRST).stderr
    assert "Released v1" in said
    first = nixed.get(app=name)
    assert first.status == 200
    if sample.name != "static":
        nixed.set_version(app, f"{sample.name} two")
        again = nixed.git("push", "paas", "main", cwd=app, timeout=FIRST).stderr
        assert "Released v2" in again and "dependencies in" not in again
        assert f"{sample.name} two" in nixed.get(app=name).body
    proven[sample.name] = versions(said)


def test_the_build_shows_what_it_made(nixed: World) -> None:
    said = nixed.paas("builds:info", "-a", "nix-flask").stdout
    assert "/nix/store/" in said and "nix-image-app.tar" in said
    assert "=== Derivations" in said and "app" in said


def test_no_config_var_gets_into_the_store(nixed: World) -> None:
    name = "nix-flask"
    nixed.paas("config:set", f"CANARY={CANARY}", "-a", name)
    app = nixed.folder / name
    nixed.set_version(app, "with a secret")
    nixed.git("push", "paas", "main", cwd=app)
    assert CANARY in nixed.paas("run", "-a", name, "--", "printenv", "CANARY").stdout
    store = nixed.extra["PAAS_NIX_STORE"]
    places = [f"{store}/nix", str(nixed.home / "logs"), str(nixed.home / "cache")]
    found = subprocess.run(["grep", "-rlaF", CANARY, *places], capture_output=True, text=True)
    assert found.stdout == ""


def test_a_cancelled_build_leaves_the_release_serving(nixed: World) -> None:
    name = "nix-static"
    app = nixed.folder / name
    (app / "nixpacks.toml").write_text("[phases.build]\ncmds = ['sleep 65432']\n")
    nixed.commit(app, "slow")
    push = subprocess.Popen(
        ["git", "push", "paas", "main"], cwd=app, env=nixed.environment, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while not _running("65432"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    nixed.paas("builds:cancel", "-a", name)
    assert push.stderr is not None
    said = push.stderr.read().decode()
    assert "ancelled" in said, said
    assert push.wait() != 0
    assert not _running("65432")
    assert nixed.get(app=name).status == 200


def test_a_backup_brings_builds_back_to_an_empty_store(
    nixed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nixed.paas("backup", "--artifacts", str(tmp_path / "nix.backup"))
    body = nixed.get(app="nix-flask").body
    store = tmp_path / "its-store"
    second = World(tmp_path / "second", extra={**nixed.extra, "PAAS_NIX_STORE": str(store)})
    second.folder.mkdir()
    second.paas("restore", str(tmp_path / "nix.backup"))
    try:
        second.up()
        assert second.wait_for(body, app="nix-flask").status == 200
        cache = json.loads(second.paas("cache:info", "--json").stdout)
        assert cache["kept_builds"] > 1 and cache["paths"] > 30
        second.paas("rollback", "v1", "-a", "nix-flask")
        assert second.wait_for("flask one", app="nix-flask").status == 200
    finally:
        second.down()
        remove_tree(store)


def _running(word: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"sleep {word}"], capture_output=True).returncode == 0
