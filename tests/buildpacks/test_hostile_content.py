"""Whatever a file holds: a plan or a PlanError, never another exception."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildpacks import PlanError, SourceTree, plan

FILES = (
    "Procfile",
    "app.json",
    "nixpacks.toml",
    "nixpacks.json",
    "requirements.txt",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile",
    "Pipfile.lock",
    ".python-version",
    "runtime.txt",
    "manage.py",
    "app.py",
    "Staticfile",
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    ".yarnrc.yml",
    ".nvmrc",
    "vite.config.js",
    "angular.json",
    "go.mod",
    "go.work",
    "main.go",
    "Gemfile",
    "Gemfile.lock",
    ".ruby-version",
    "config.ru",
    "composer.json",
    "composer.lock",
    "index.php",
    "devenv.nix",
    "devenv.yaml",
    "flake.nix",
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)
_words = st.sampled_from(
    ("env", "web", "phases", "build", "cmds", "start", "cmd", "formation", "healthchecks", "path")
) | st.sampled_from(
    ("scripts", "default", "_meta", "requires", "variables", "providers", "type", "dependsOn")
)
_shaped = st.recursive(
    _json, lambda inner: st.dictionaries(_words, inner | st.lists(inner, max_size=2), max_size=4)
)


def _outcome(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        for by_nix in (False, True):
            _planned(SourceTree(Path(folder)), by_nix=by_nix)


def _planned(tree: SourceTree, *, by_nix: bool) -> None:
    try:
        made = plan(tree, by_nix=by_nix)
    except PlanError as error:
        assert error.what
        assert error.why
        assert error.fix
        assert "\n" not in str(error)
    else:
        assert made.name
        assert all("\0" not in command for command in made.processes.values())


@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=200), max_size=4))
def test_bytes(files: dict[str, bytes]) -> None:
    _outcome(files)


@given(st.dictionaries(st.sampled_from(FILES), st.text(max_size=200), max_size=4))
def test_text(files: dict[str, str]) -> None:
    _outcome({name: text.encode("utf-8", "replace") for name, text in files.items()})


@pytest.mark.parametrize("name", ["app.json", "nixpacks.json", "Pipfile.lock"])
@given(data=_shaped)
def test_json(name: str, data: object) -> None:
    _outcome({name: json.dumps(data).encode(), "app.py": b"", "Procfile": b"web: x\n"})


_node_words = st.sampled_from(
    ("", "packages", "dependencies", "devDependencies", "workspaces", "scripts", "build", "start")
) | st.sampled_from(
    ("main", "engines", "node", "packageManager", "resolved", "hasInstallScript", "projects", "x")
)
_node = st.recursive(
    _json
    | st.sampled_from(("vite build", "pnpm@9.0.0", "file:../x", "git+ssh://x", "@angular/core")),
    lambda inner: st.dictionaries(_node_words, inner | st.lists(inner, max_size=2), max_size=4),
)


@pytest.mark.parametrize("lock", ["package-lock.json", "angular.json", "composer.lock"])
@given(package=_node, locked=_node)
def test_node_json(lock: str, package: object, locked: object) -> None:
    _outcome({"package.json": json.dumps(package).encode(), lock: json.dumps(locked).encode()})


@given(composer=_node)
def test_composer_json(composer: object) -> None:
    _outcome({"composer.json": json.dumps(composer).encode(), "composer.lock": b"{}"})


@given(data=_shaped | _node)
def test_devenv_yaml(data: object) -> None:
    """JSON is YAML too."""
    text = json.dumps({"inputs": data, "imports": [data]} if isinstance(data, str) else data)
    _outcome({"devenv.yaml": text.encode(), "devenv.nix": b"processes"})
