"""Builds by Nix that go wrong: a clear text, the old release goes on, nothing is left over."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from paas.sandbox import cgroups
from tests.e2e.parts import assert_nothing_left, wait_settled
from tests.e2e.rejected import assert_rejected, push_files, push_tree
from tests.e2e.world import SAMPLES, World, running

pytestmark = pytest.mark.by_nix(only=True)

APP = "good"
GOOD = "procfile one"
DISK = "1600m"  # more than a build must find, less than one may write
EXPRESS = {path.name: path.read_text() for path in (SAMPLES / "express").iterdir()}
MANIFEST = json.loads(EXPRESS["package.json"])
LOCK = json.loads(EXPRESS["package-lock.json"])
WRONG_HASH = {**LOCK, "packages": {**LOCK["packages"]}}
WRONG_HASH["packages"]["node_modules/express"] = {
    **LOCK["packages"]["node_modules/express"],
    "integrity": f"sha512-{'A' * 86}==",
}
NEWER = {**MANIFEST, "dependencies": {**MANIFEST["dependencies"], "left-pad": "^1.3.0"}}
PROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["six", "flask"]\n'
UV_LOCK = 'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "x"\nversion = "1"\n'


def runs(command: str) -> dict[str, str]:
    """A build that runs `command`."""
    phases = f"[phases.setup]\nnixPkgs = ['python3']\n[phases.build]\ncmds = ['''{command}''']\n"
    return {"nixpacks.toml": phases}


def nix(file: str, text: str) -> dict[str, str]:
    """A repository that describes itself in Nix."""
    provider = "flake" if file == "flake.nix" else "nix"
    return {file: text, "nixpacks.toml": f'providers = ["{provider}"]\n'}


def flake(body: str, more: str = "") -> dict[str, str]:
    package = "packages.x86_64-linux.default"
    outputs = f"outputs = {{ self, nixpkgs }}: {{ {package} = {body}; }};"
    return nix("flake.nix", f"{{ {more} {outputs} }}")


@dataclass(frozen=True)
class Wrong:
    """What is pushed on top of the good app, and what its author must be told."""

    name: str
    files: dict[str, str]
    told: tuple[str, ...]


PKGS = "nixpkgs.legacyPackages.x86_64-linux"
WRONG = (
    Wrong(
        "npm-lock-out-of-date",
        {**EXPRESS, "package.json": json.dumps(NEWER)},
        ("package-lock.json", "left-pad", "npm install"),
    ),
    Wrong(
        "npm-lock-missing",
        {name: text for name, text in EXPRESS.items() if name != "package-lock.json"},
        ("There is no lock file for the dependencies of package.json", "npm install"),
    ),
    Wrong(
        "uv-lock-out-of-date",
        {"pyproject.toml": PROJECT, "uv.lock": UV_LOCK},
        ("uv.lock", "uv lock"),
    ),
    Wrong(
        "npm-hash-mismatch",
        {**EXPRESS, "package-lock.json": json.dumps(WRONG_HASH)},
        ("EINTEGRITY", "hash is wrong", "npm install"),
    ),
    Wrong(
        "pip-hash-mismatch",
        {"requirements.txt": f"six==1.16.0 --hash=sha256:{'0' * 64}\n"},
        ("DO NOT MATCH THE HASHES", "Correct requirements.txt"),
    ),
    Wrong(
        "package-of-no-such-version",
        {"requirements.txt": "six==999.1\n"},
        ("six==999.1", "Correct requirements.txt"),
    ),
    Wrong(
        "package-that-cannot-be-reached",
        {"requirements.txt": "--index-url http://registry.invalid/\nsix==1.16.0\n"},
        ("registry.invalid", "six==1.16.0", "Correct requirements.txt"),
    ),
    Wrong(
        "version-that-the-set-has-not",
        {"requirements.txt": "six\n", ".python-version": "3.12.4\n"},
        ("Python 3.12.4 is not in the package set `debian`", "nearest"),
    ),
    Wrong("network", runs("wget -T 2 -O - http://127.0.0.1:80/"), ("It has no network",)),
    Wrong("writes-outside", runs("touch /bin/x /nix/store/x"), ("Read-only file system",)),
    Wrong(
        "forks-without-end",
        runs("b() { b | b; }; b"),
        ("The build started more than 512 processes",),
    ),
    Wrong(
        "prints-1-gb",
        runs("tr '\\\\0' x < /dev/zero | fold | head -c 1073741824"),
        ("The build printed more than",),
    ),
    Wrong(
        "imports-from-a-derivation",
        flake(f'import ({PKGS}.writeText "x.nix" "throw 1")'),
        ("flake.nix", "imports from a derivation"),
    ),
    Wrong(
        "says-that-it-may",
        flake(
            f'import ({PKGS}.writeText "x.nix" "throw 1")',
            "nixConfig.allow-import-from-derivation = true;",
        ),
        ("flake.nix", "imports from a derivation"),
    ),
    Wrong(
        "fetches-from-loopback",
        flake('builtins.fetchurl "http://127.0.0.1:6379/"'),
        ("flake.nix", "wants to download http://127.0.0.1:6379"),
    ),
    Wrong(
        "fetches-while-it-is-built",
        flake(
            f'derivation {{ name = "loot"; system = "x86_64-linux"; builder = "${{{PKGS}.bash}}/bin'
            '/sh"; args = [ "-c" "echo > $out" ]; outputHashMode = "flat";'
            ' outputHashAlgo = "sha256"; outputHash = '
            f'"sha256-{"A" * 43}="; }}'
        ),
        ("The derivation loot is a download",),
    ),
)


@pytest.fixture(scope="module")
def small(builder: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An instance with little disk (where this machine lets us), and an app that is live."""
    folder = tmp_path_factory.mktemp("small")
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "small", str(folder)]
    is_small = subprocess.run(mounted, capture_output=True).returncode == 0
    try:
        with running(folder, **builder) as world:
            app = world.repository("procfile", APP)
            world.paas("create", APP, cwd=app)
            world.git("push", "paas", "main", cwd=app)
            yield world
    finally:
        if is_small:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def assert_unharmed(world: World) -> None:
    wait_settled(world)
    assert GOOD in world.get(app=APP).body, "the release before goes on"
    assert_nothing_left(world)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_it_is_refused_with_the_reason(small: World, wrong: Wrong) -> None:
    if wrong.name == "forks-without-end" and cgroups.hierarchy() is None:
        pytest.skip("nothing bounds it without control groups")
    pushed = push_files(small, small.folder / APP, wrong.files)
    assert_rejected(pushed, *wrong.told)
    assert_unharmed(small)


def test_a_build_that_fills_the_disk(small: World) -> None:
    if not small.folder.is_mount():
        pytest.skip("no file system may be mounted here")
    pushed = push_files(small, small.folder / APP, runs("dd if=/dev/zero of=fill bs=1M"))
    assert_rejected(pushed, "The disk is nearly full")
    assert_unharmed(small)


def test_names_that_shells_and_nix_would_read(small: World) -> None:
    app = small.folder / APP
    for name in ["it's", 'a "b"', "${out}", "''${x}''", "two\nlines", "$(id)", "-rf", "é"]:
        (app / name).write_text("content")
    for file, text in runs("ls -1 | wc -l; test -e 'two\nlines'").items():
        (app / file).write_text(text)
    pushed = push_tree(small, app)
    assert "Verifying deploy... done." in pushed.stderr, pushed.stderr


def test_such_names_in_a_flake(small: World) -> None:
    app = small.folder / APP
    for name in ["it's", 'a "b"', "${out}", "''${x}''", "two\nlines", "$(id)", "-rf"]:
        (app / name).write_text("content")
    (app / "Procfile").unlink()
    text = '"cd /app; exec python3 hello.py"'
    tools = f"runtimeInputs = [ {PKGS}.python3 ]"
    body = f'{PKGS}.writeShellApplication {{ name = "web"; text = {text}; {tools}; }}'
    for file, text in flake(body).items():
        (app / file).write_text(text)
    pushed = push_tree(small, app)
    assert "Verifying deploy... done." in pushed.stderr, pushed.stderr
    assert_unharmed(small)
