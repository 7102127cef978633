"""Repositories that describe themselves in Nix, pushed and answering; and hostile ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World, running
from tests.nix.stores import shared_store, unusable

pytestmark = pytest.mark.skipif(bool(unusable()), reason=unusable() or "-")
_FIRST_BUILD = 600.0  # seconds; the package set comes from the registries


@pytest.fixture(scope="module")
def nixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An instance whose builder is Nix', with a store of the test run's own."""
    settings = {
        "PAAS_BUILDER": "nix",
        "PAAS_NIX_PACKAGES": "debian",
        "PAAS_NIX_STORE": str(shared_store(tmp_path_factory)),
    }
    with running(tmp_path_factory.mktemp("nixed"), **settings) as world:
        yield world


def _pushed(world: World, sample: str) -> tuple[Path, str]:
    name = sample.replace("_", "-")
    app = world.repository(sample, name)
    world.paas("create", name, cwd=app)
    said = world.git("push", "paas", "main", cwd=app, timeout=_FIRST_BUILD).stderr
    assert "Released v1" in said
    return app, said


def _replace(world: World, file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    world.commit(file.parent, new)


@pytest.mark.timeout(_FIRST_BUILD)
def test_devenv_answers(nixed: World) -> None:
    app, said = _pushed(nixed, "devenv")
    assert "devenv app detected" in said
    assert "services.redis of devenv.nix does not run with the app" in said
    assert "Without effect here: enterShell (devenv.nix)" in said
    assert "declares types -> web" in said
    answer = nixed.get(app="devenv")
    assert answer.body == "Hello from devenv: version 1, Python 3.11.2\n"

    _replace(nixed, app / "greeting.json", "version 1", "version 2")
    nixed.git("push", "paas", "main", cwd=app)
    assert "version 2" in nixed.get(app="devenv").body
    nixed.paas("config:set", "GREETING=Mine", cwd=app)
    assert nixed.wait_for("Mine", app="devenv").status == 200


@pytest.mark.timeout(_FIRST_BUILD)
def test_devenvs_languages_bring_their_dependencies(nixed: World) -> None:
    """A virtual environment as for any Python app; devenv.nix says what runs."""
    app = nixed.repository("flask", "devenv-flask")
    (app / "Procfile").unlink()
    (app / "devenv.nix").write_text(
        """{ pkgs, ... }: {
          languages.python = {
            enable = true;
            version = "3.11";
            venv = { enable = true; requirements = ./requirements.txt; };
          };
          processes.web.exec = "exec gunicorn --bind 0.0.0.0:$PORT app:app";
        }"""
    )
    nixed.commit(app, "devenv")
    nixed.paas("create", "devenv-flask", cwd=app)
    said = nixed.git("push", "paas", "main", cwd=app, timeout=_FIRST_BUILD).stderr
    assert "Dependencies come from requirements.txt (pip)" in said
    assert "Released v1" in said
    assert nixed.get(app="devenv-flask").status == 200


@pytest.mark.timeout(_FIRST_BUILD)
def test_a_flake_answers(nixed: World) -> None:
    app, said = _pushed(nixed, "nix_flake")
    assert "Nix flake app detected" in said
    assert nixed.get(app="nix-flake").body.startswith("Hello from a flake: version 1")
    nixed.set_version(app, "version 2")
    nixed.git("push", "paas", "main", cwd=app)
    assert "version 2" in nixed.get(app="nix-flake").body


@pytest.mark.timeout(_FIRST_BUILD)
def test_a_default_nix_answers(nixed: World) -> None:
    app, said = _pushed(nixed, "nix_default")
    assert "Nix app detected" in said
    assert "Hello from default.nix: version 1" in nixed.get(app="nix-default").body
    _replace(nixed, app / "site/index.html", "version 1", "version 2")
    nixed.git("push", "paas", "main", cwd=app)
    assert "version 2" in nixed.get(app="nix-default").body


# case → its file, what stands in it, what its author is told
_HOSTILE = {
    "reads_the_panel": (
        "default.nix",
        '{ pkgs }: builtins.readFile (/. + "@HOME@/keys/config_keys")',
        "wants to read ",
    ),
    "imports_from_a_derivation": (
        "flake.nix",
        "{ nixConfig.allow-import-from-derivation = true;"
        " outputs = { self, nixpkgs }: { packages.x86_64-linux.default = import"
        ' (nixpkgs.legacyPackages.x86_64-linux.writeText "x.nix" "throw \\"built\\""); }; }',
        "imports from a derivation",
    ),
    "downloads": (
        "default.nix",
        '{ pkgs }: pkgs.runCommand "x" { a = builtins.fetchurl "http://127.0.0.1:@PORT@/"; } ""',
        "wants to download http://127.0.0.1",
    ),
    "downloads_by_hash": (
        "default.nix",
        '{ pkgs }: derivation { name = "loot"; system = pkgs.system;'
        ' builder = "${pkgs.bash}/bin/sh"; args = [ "-c" "echo > $out" ];'
        ' outputHashMode = "flat"; outputHashAlgo = "sha256";'
        ' outputHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; }',
        "The derivation loot is a download",
    ),
}


@pytest.mark.timeout(_FIRST_BUILD)
@pytest.mark.parametrize("case", _HOSTILE)
def test_a_hostile_repository_is_refused(nixed: World, case: str) -> None:
    """The push is rejected with what, why and the fix, and the release before goes on serving."""
    app = nixed.folder / "nix-default"
    if not app.exists():
        _pushed(nixed, "nix_default")
    before = nixed.get(app="nix-default").body
    file, text, told = _HOSTILE[case]
    nixed.git("checkout", "-q", "-B", case, "main", cwd=app)
    text = text.replace("@HOME@", str(nixed.home)).replace("@PORT@", str(nixed.port))
    (app / "nixpacks.toml").write_text(
        'providers = ["flake"]\n' if file == "flake.nix" else 'providers = ["nix"]\n'
    )
    (app / file).write_text(text)
    nixed.commit(app, case)
    said = nixed.git("push", "paas", f"{case}:main", cwd=app, check=False)
    assert said.returncode != 0
    assert told in said.stderr
    assert "Traceback" not in said.stderr
    assert nixed.get(app="nix-default").body == before
    keys = (nixed.home / "keys" / "config_keys").read_text().strip()
    assert keys not in said.stderr
    assert not list((nixed.home / "builds").glob("*/evaluation"))
    releases = json.loads(nixed.paas("releases", "--json", cwd=app).stdout)
    assert all(one["status"] == "succeeded" for one in releases)
