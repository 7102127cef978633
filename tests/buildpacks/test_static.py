"""Static sites: the root, and what a real Caddy serves of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpacks import Plan, SourceTree, plan
from tests.buildpacks.conftest import MakeTree, Refusal

PATIENCE = 20.0  # seconds


@pytest.mark.parametrize(
    ("files", "root"),
    [
        ({"index.html": ""}, "."),
        ({"public/index.html": "", "index.html": ""}, "public"),
        ({"public/x.css": "", "index.html": ""}, "."),
        ({"dist/index.html": ""}, "dist"),
        ({"public/a.txt": ""}, "public"),
        ({"Staticfile": "root: web/out\n", "index.html": ""}, "web/out"),
        ({"Staticfile": "root: './site/' # ours\n"}, "site"),
        ({"Staticfile": ""}, "."),
        (
            {"index.html": "", "nixpacks.toml": '[variables]\nNIXPACKS_STATICFILE_ROOT = "w"\n'},
            "w",
        ),
    ],
)
def test_the_root(make_tree: MakeTree, files: dict[str, str | bytes], root: str) -> None:
    made = plan(make_tree(files))
    assert made.providers == ("static",)
    assert made.static_root == root


@pytest.mark.parametrize("root", ["/etc", "..", "../x", "a/../../b", "a\tb"])
def test_a_root_outside_is_refused(refusal: Refusal, root: str) -> None:
    assert refusal({"Staticfile": f"root: {root}\n"}).file == "Staticfile"


def test_other_keys_are_warned_about(make_tree: MakeTree) -> None:
    made = plan(make_tree({"Staticfile": "gzip: on\n", "index.html": ""}))
    assert any("gzip" in warning for warning in made.warnings)


def test_a_procfile_with_web_needs_no_file_server(make_tree: MakeTree) -> None:
    made = plan(make_tree({"Procfile": "web: ./serve\n", "public/index.html": ""}))
    assert made.providers == ("procfile",)


def test_a_procfile_without_web_gets_the_file_server(make_tree: MakeTree) -> None:
    made = plan(make_tree({"Procfile": "worker: ./work\n", "public/index.html": ""}))
    assert set(made.processes) == {"web", "worker"}


@contextlib.contextmanager
def _served(tree: SourceTree, made: Plan) -> Iterator[str]:
    """Runs the phases and the web process as a runtime would; yields the address."""
    environment = {
        **made.variables,
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(tree.root),
    }
    for phase in made.phases:
        for command in phase.commands:
            subprocess.run(["sh", "-c", command], cwd=tree.root, env=environment, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["sh", "-c", made.processes["web"]],
        cwd=tree.root,
        env={**environment, "PORT": str(port)},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("the file server did not come up")


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


HIDDEN: dict[str, str | bytes] = {
    "index.html": "top",
    "a b.txt": "spaced",
    ".env": "CANARY",
    ".git/config": "CANARY",
    "sub/.htpasswd": "CANARY",
    "sub/index.html": "sub",
    ".well-known/security.txt": "mail us",
}


@pytest.mark.parametrize("folder", ["", "public/", 'it\'s $(touch pwned) "x" {y}/', "-x/"])
def test_caddy_serves_the_files_and_hides_the_hidden(make_tree: MakeTree, folder: str) -> None:
    files = {f"{folder}{path}": text for path, text in HIDDEN.items()}
    root = folder.rstrip("/") or "."
    tree = make_tree(files | {"Staticfile": f"root: {root}\n"})
    (tree.root.parent / "outside").write_text("CANARY")
    with _served(tree, plan(tree)) as address:
        assert _get(f"{address}/") == (200, "top")
        assert _get(f"{address}/a%20b.txt") == (200, "spaced")
        assert _get(f"{address}/sub/") == (200, "sub")
        assert _get(f"{address}/.well-known/security.txt") == (200, "mail us")
        for path in (
            ".env",
            ".git/config",
            "sub/.htpasswd",
            "%2eenv",
            "..%2foutside",
            "..%2f..%2foutside",
        ):
            assert _get(f"{address}/{path}")[0] in {400, 404}, path
    assert not list(tree.root.rglob("pwned"))
