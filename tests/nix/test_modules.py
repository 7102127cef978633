"""The NixOS modules: their values, and their scripts with real Nix."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from paas.instance import Instance
from paas.nix.cache import Cache
from paas.nix.store import Store
from paas.sandbox import find_bwrap
from tests.nix import release

NIX = Path(__file__).parents[2] / "nix"
HOOK, UPLOAD = NIX / "modules/post-build-hook.sh", NIX / "modules/upload-spooled.sh"


def evaluate(store: Store, **definitions: object) -> dict[str, Any]:
    """What the module makes of these definitions."""
    argv = (
        "nix-instantiate",
        "--eval",
        "--strict",
        "--json",
        str(NIX / "tests/post-build-hook.nix"),
    )
    text = store.run(*argv, "--argstr", "definitions", json.dumps(definitions))
    made: dict[str, Any] = json.loads(text)
    return made


def test_switched_off_it_changes_nothing(store: Store) -> None:
    assert evaluate(store, to="s3://builds") == {}


def test_a_hook_notes_and_a_service_uploads(store: Store) -> None:
    made = evaluate(store, enable=True, to="s3://builds?region=a%20b", retryAfter=7)
    hook = made["nix"]["settings"].pop("post-build-hook")
    assert made["nix"]["settings"] == {}
    assert hook["name"] == "paas-post-build-hook"
    spool = "/var/spool/paas-upload-builds"
    words = hook["text"].split()
    assert words[:2] == ["exec", "/bin/sh"] and words[2].endswith("post-build-hook.sh")
    assert words[3:] == [spool, "/nix/store/the-nix/bin/nix-store"]
    assert made["systemd"]["tmpfiles"]["rules"] == [f"d {spool} 0755 root root - -"]
    watched = made["systemd"]["paths"]["paas-upload-builds"]
    assert watched["pathConfig"] == {"PathExistsGlob": f"{spool}/*.paths"}
    service = made["systemd"]["services"]["paas-upload-builds"]["serviceConfig"]
    assert (service["Type"], service["Restart"], service["RestartSec"]) == (
        "oneshot",
        "on-failure",
        7,
    )
    (start,) = service["ExecStart"]
    assert start.split()[-2:] == ["/nix/store/the-nix/bin/nix", "s3://builds?region=a%%20b"]


def test_a_key_signs_at_build_time(store: Store) -> None:
    made = evaluate(store, enable=True, to="s3://b", signingKeyFile="/etc/nix/key")
    assert made["nix"]["settings"]["secret-key-files"] == ["/etc/nix/key"]


# --- the scripts -----------------------------------------------------------------------
@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    path.mkdir()
    return path


@pytest.fixture
def hooked(store: Store, spool: Path, tmp_path: Path) -> Store:
    """A store whose builds end with the hook."""
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\nexec sh {HOOK} {spool} nix-store\n")
    hook.chmod(0o755)
    store.prepare()
    conf = store.config.conf / "nix.conf"
    conf.write_text(f"{store.config.text()}post-build-hook = {hook}\n")
    return store


def upload(store: Store, spool: Path, to: str) -> subprocess.CompletedProcess[str]:
    """Nix's paths are the test's own, so the script gets to see them where they are."""
    view = [
        str(find_bwrap().path),
        "--dev-bind",
        "/",
        "/",
        "--bind",
        str(store.physical("/nix")),
        "/nix",
    ]
    argv = [*view, "sh", str(UPLOAD), str(spool), "nix", to]
    environ = {**store.environment(), "NIX_REMOTE": "local"}
    return subprocess.run(argv, env=environ, capture_output=True, text=True)


def test_what_is_built_is_noted_at_once_and_uploaded_later(
    nix_instance: Instance, hooked: Store, spool: Path, tmp_path: Path
) -> None:
    built = release.make(hooked, tmp_path / "build")
    (note,) = spool.iterdir()
    assert note.name.endswith("-release.drv.paths")
    assert note.read_text() == f"{built.path}\n"
    cache = Cache.of(nix_instance, {}).folder
    assert cache is not None
    cache.make()
    assert cache.lacks([built.path]) == [built.path]
    offline = upload(hooked, spool, "ssh-ng://127.0.0.1:1/")
    assert offline.returncode == 1 and note.exists()
    key = nix_instance.keys / "nix_ci_key"
    done = upload(hooked, spool, f"file://{cache.root}?secret-key={key}&compression=zstd")
    assert done.returncode == 0, done.stderr
    assert list(spool.iterdir()) == []
    assert cache.lacks(hooked.requisites([built.path])) == []
    assert upload(hooked, spool, "ssh-ng://127.0.0.1:1/").returncode == 0  # nothing to do


def test_a_build_never_fails_for_the_hook(hooked: Store, spool: Path, tmp_path: Path) -> None:
    spool.rmdir()
    built = release.make(hooked, tmp_path / "build")
    assert hooked.is_valid(built.path)


def test_the_hook_takes_what_newer_nix_tells(spool: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "DRV_PATH": "/nix/store/x-two.drv", "OUT_PATHS": "/a /b"}
    done = subprocess.run(["sh", HOOK, spool, "false"], env=environ, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (spool / "x-two.drv.paths").read_text() == "/a\n/b\n"


def test_what_was_collected_meanwhile_is_forgotten(store: Store, spool: Path) -> None:
    store.prepare()
    (spool / "x.drv.paths").write_text("/nix/store/00000000000000000000000000000000-x\n")
    store.physical("/nix").mkdir(parents=True)
    assert upload(store, spool, "ssh-ng://127.0.0.1:1/").returncode == 0
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("script", [HOOK, UPLOAD])
def test_the_scripts_are_plain_sh(script: Path) -> None:
    for shell in (["sh", "-n"], ["/bin/busybox", "sh", "-n"]):
        subprocess.run([*shell, script], check=True)


def test_every_nix_file_parses(store: Store) -> None:
    files = [str(path) for path in sorted(NIX.rglob("*.nix"))]
    assert len(files) > 10
    store.run("nix-instantiate", "--parse", *files)
