"""Which Python: the order of Heroku's buildpack, then uv's requires-python."""

from __future__ import annotations

import pytest

from buildpacks import plan
from buildpacks.plan import Pin
from tests.buildpacks.conftest import MakeTree, Refusal

BASE: dict[str, str | bytes] = {"requirements.txt": "", "Procfile": "web: x\n"}


def _project(requires: str) -> str:
    return f'[project]\nname = "x"\nversion = "1"\nrequires-python = "{requires}"\n'


def _pin(make_tree: MakeTree, files: dict[str, str | bytes]) -> Pin:
    made = plan(make_tree(BASE | files))
    assert len(made.pins) == 1
    return made.pins[0]


def test_no_version_is_the_newest_here_with_a_warning(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE))
    assert made.pins == (Pin("python", "", "default"),)
    assert any("No Python version" in warning for warning in made.warnings)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("3.12\n", "==3.12.*"),
        ("3.12.4", "3.12.4"),
        ("# ours\n\n  3.11  \r\n", "==3.11.*"),
        ("\ufeff3.13\n", "==3.13.*"),
    ],
)
def test_python_version_file(make_tree: MakeTree, text: str, spec: str) -> None:
    assert _pin(make_tree, {".python-version": text}) == Pin("python", spec, ".python-version")


@pytest.mark.parametrize(
    "text",
    ["3", "python-3.12", '"3.12"', "3.12.*", ">=3.12", "3.12 # x", "pypy3.10", "3.012", "٣.١٢", ""],
)
def test_a_bad_python_version_file_is_refused(refusal: Refusal, text: str) -> None:
    error = refusal(BASE | {".python-version": text})
    assert error.file == ".python-version"
    assert "3.12" in error.fix


def test_several_versions_are_refused(refusal: Refusal) -> None:
    error = refusal(BASE | {".python-version": "3.11\n3.12\n"})
    assert "more than one" in error.what


def test_runtime_txt_wins_and_is_deprecated(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE | {"runtime.txt": "python-3.11.9\n", ".python-version": "3.12"}))
    assert made.pins == (Pin("python", "3.11.9", "runtime.txt"),)
    assert any("deprecated" in warning for warning in made.warnings)


def test_a_bad_runtime_txt_is_refused(refusal: Refusal) -> None:
    assert refusal(BASE | {"runtime.txt": "ruby-3.2"}).file == "runtime.txt"


def test_a_misspelled_file_is_refused(refusal: Refusal) -> None:
    error = refusal(BASE | {".python_version": "3.12"})
    assert "git mv .python_version .python-version" in error.fix


def test_requires_python_is_the_last_resort(make_tree: MakeTree) -> None:
    pin = _pin(make_tree, {"pyproject.toml": _project(">=3.11,<4")})
    assert (pin.spec, pin.source) == ("<4,>=3.11", "requires-python")


def test_python_version_beats_requires_python(make_tree: MakeTree) -> None:
    files: dict[str, str | bytes] = {
        "pyproject.toml": _project(">=3.11"),
        ".python-version": "3.12",
    }
    assert _pin(make_tree, files).source == ".python-version"


@pytest.mark.parametrize(("version", "requires"), [("3.11", ">=3.12"), ("3.11.2", ">=3.11.4")])
def test_a_contradiction_is_refused(refusal: Refusal, version: str, requires: str) -> None:
    error = refusal(BASE | {"pyproject.toml": _project(requires), ".python-version": version})
    assert version in error.what
    assert requires in error.what


def test_a_later_patch_may_satisfy_requires_python(make_tree: MakeTree) -> None:
    files: dict[str, str | bytes] = {
        "pyproject.toml": _project(">=3.11.9"),
        ".python-version": "3.11",
    }
    assert _pin(make_tree, files).spec == "==3.11.*"


def test_a_bad_requires_python_is_refused(refusal: Refusal) -> None:
    assert refusal(BASE | {"pyproject.toml": _project("three")}).file == "pyproject.toml"


@pytest.mark.parametrize(
    ("poetry", "spec"),
    [
        ("^3.11", "<4,>=3.11"),
        ("~3.11", "<3.12,>=3.11"),
        (">=3.10,<3.13", "<3.13,>=3.10"),
        ("3.11", "==3.11"),
        ("3.11.*", "==3.11.*"),
        ("*", ""),
    ],
)
def test_poetrys_own_specifiers(make_tree: MakeTree, poetry: str, spec: str) -> None:
    text = f'[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = "{poetry}"\n'
    pin = _pin(make_tree, {"pyproject.toml": text})
    assert pin == Pin("python", spec, "tool.poetry.dependencies.python")


def test_the_pipfile_lock_gives_the_version(make_tree: MakeTree) -> None:
    lock = '{"_meta": {"requires": {"python_version": "3.12"}}, "default": {}}'
    made = plan(make_tree({"Pipfile": "", "Pipfile.lock": lock, "Procfile": "web: x\n"}))
    assert made.pins == (Pin("python", "==3.12.*", "Pipfile.lock"),)


def test_a_nixpacks_variable_wins(make_tree: MakeTree) -> None:
    nixpacks = '[variables]\nNIXPACKS_PYTHON_VERSION = "3.13"\n'
    pin = _pin(make_tree, {"nixpacks.toml": nixpacks, ".python-version": "3.11"})
    assert pin == Pin("python", "==3.13.*", "NIXPACKS_PYTHON_VERSION")
