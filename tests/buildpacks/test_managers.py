"""Which package manager, and what is refused before it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from uv import find_uv_bin

from buildpacks import plan
from buildpacks.plan import PythonDependencies
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of

PROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\n'
FLASK = PROJECT + 'dependencies = ["Flask>=3", "uvloop; sys_platform == \'nt\'"]\n'
PROCFILE: dict[str, str | bytes] = {"Procfile": "web: x\n", ".python-version": "3.12\n"}


def _dependencies(make_tree: MakeTree, files: dict[str, str | bytes]) -> PythonDependencies:
    made = plan(make_tree(PROCFILE | files))
    assert made.providers == ("python",)
    assert made.python is not None
    return made.python


@pytest.mark.parametrize(
    ("files", "manager", "read"),
    [
        ({"requirements.txt": "flask\n"}, "requirements", ("requirements.txt",)),
        (
            {"uv.lock": 'name = "flask"\n', "pyproject.toml": FLASK},
            "uv",
            ("uv.lock", "pyproject.toml"),
        ),
        (
            {"poetry.lock": 'name = "Flask"\n', "pyproject.toml": FLASK},
            "poetry",
            ("poetry.lock", "pyproject.toml"),
        ),
        (
            {"pdm.lock": 'name = "flask"\n', "pyproject.toml": FLASK},
            "pdm",
            ("pdm.lock", "pyproject.toml"),
        ),
        (
            {"Pipfile.lock": '{"default": {"flask": {}}}', "Pipfile": '[packages]\nFlask = "*"\n'},
            "pipenv",
            ("Pipfile.lock", "Pipfile"),
        ),
        ({"Pipfile": '[packages]\nflask = "*"\n'}, "pipenv", ("Pipfile",)),
        ({"pyproject.toml": FLASK}, "pyproject", ("pyproject.toml",)),
        ({"app.py": ""}, "none", ()),
        ({"app.py": "", "pyproject.toml": "[tool.ruff]\n"}, "none", ()),
    ],
)
def test_the_manager_follows_from_the_files(
    make_tree: MakeTree, files: dict[str, str | bytes], manager: str, read: tuple[str, ...]
) -> None:
    dependencies = _dependencies(make_tree, files)
    assert (dependencies.manager, dependencies.files) == (manager, read)


def test_requirements_beside_a_pyproject_decide(make_tree: MakeTree) -> None:
    files: dict[str, str | bytes] = {"requirements.txt": "flask\n", "pyproject.toml": FLASK}
    assert _dependencies(make_tree, files).manager == "requirements"


@pytest.mark.parametrize("file", ["Pipfile", "pyproject.toml"])
def test_a_missing_lock_is_warned_about(make_tree: MakeTree, file: str) -> None:
    made = plan(make_tree(PROCFILE | {file: PROJECT if file == "pyproject.toml" else ""}))
    assert any("every build may install other versions" in warning for warning in made.warnings)


def test_two_managers_are_refused(refusal: Refusal) -> None:
    error = refusal({"requirements.txt": "", "uv.lock": "", "pyproject.toml": PROJECT})
    assert "uv.lock, requirements.txt" in error.what
    assert "NIXPACKS_PYTHON_PACKAGE_MANAGER" in error.fix


def test_a_variable_decides_between_two_managers(make_tree: MakeTree) -> None:
    nixpacks = '[variables]\nNIXPACKS_PYTHON_PACKAGE_MANAGER = "requirements"\n'
    files: dict[str, str | bytes] = {
        "requirements.txt": "flask\n",
        "uv.lock": "",
        "pyproject.toml": PROJECT,
        "nixpacks.toml": nixpacks,
    }
    assert _dependencies(make_tree, files).manager == "requirements"


@pytest.mark.parametrize(
    ("files", "at_fault", "fix"),
    [
        ({"uv.lock": ""}, "uv.lock", "pyproject.toml"),
        ({"setup.py": ""}, "setup.py", "--editable ."),
        ({"app.py": "", "requirments.txt": ""}, "requirments.txt", "git mv"),
        ({"requirements.txt": "", ".venv/pyvenv.cfg": ""}, ".venv", "git rm -r --cached .venv"),
        ({"requirements.txt": "", "venv/pyvenv.cfg": ""}, "venv", ".gitignore"),
        ({"uv.lock": 'name = "other"\n', "pyproject.toml": FLASK}, "uv.lock", "uv lock"),
        ({"poetry.lock": "", "pyproject.toml": FLASK}, "poetry.lock", "poetry lock"),
        ({"pdm.lock": "", "pyproject.toml": FLASK}, "pdm.lock", "pdm lock"),
        (
            {"Pipfile.lock": '{"default": {}}', "Pipfile": '[packages]\nflask = "*"\n'},
            "Pipfile.lock",
            "pipenv lock",
        ),
        ({"Pipfile.lock": "{"}, "Pipfile.lock", "Correct"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml", "Correct"),
        ({"pyproject.toml": '[project]\ndependencies = "flask"\n'}, "pyproject.toml", "Correct"),
        ({"pyproject.toml": "a = " + "[" * 50_000}, "pyproject.toml", "Correct"),
    ],
)
def test_what_is_refused(
    refusal: Refusal, files: dict[str, str | bytes], at_fault: str, fix: str
) -> None:
    error = refusal(files)
    assert error.file == at_fault
    assert fix in error.fix


def test_the_missing_dependency_is_named(refusal: Refusal) -> None:
    error = refusal({"uv.lock": 'name = "click"\n', "pyproject.toml": FLASK})
    assert "flask" in error.why
    assert "uvloop" not in error.why


def test_a_lock_that_uv_made_is_in_step(make_tree: MakeTree) -> None:
    library = '[project]\nname = "lib"\nversion = "1"\n'
    project = PROJECT + 'dependencies = ["lib"]\n[tool.uv.sources]\nlib = { path = "lib" }\n'
    tree = make_tree(PROCFILE | {"pyproject.toml": project, "lib/pyproject.toml": library})
    lock = [find_uv_bin(), "lock", "--python", sys.executable]
    subprocess.run(lock, cwd=tree.root, check=True, capture_output=True)
    made = plan(make_tree({}))
    files = ("uv.lock", "pyproject.toml")
    assert made.python == PythonDependencies("uv", files, project=True)  # lib is in the tree


@pytest.mark.parametrize(
    ("text", "project"),
    [
        ("[build-system]\nrequires = []\n", True),
        ("", False),
        ("[build-system]\nrequires = []\n[tool.uv]\npackage = false\n", False),
        ("[tool.uv]\npackage = true\n", True),
        ('[tool.uv.sources]\nx = { path = "x" }\n', True),
        ("[tool.uv.sources]\nx = [{ workspace = true }]\n", True),
        ('[tool.uv.sources]\nx = { git = "https://git.example/x" }\n', False),
        ('[tool.uv.workspace]\nmembers = ["a"]\n', True),
        ('[tool.poetry.dependencies]\nx = { path = "x" }\n', True),
    ],
)
def test_whether_installing_needs_the_tree(make_tree: MakeTree, text: str, project: bool) -> None:
    files: dict[str, str | bytes] = {"uv.lock": "", "pyproject.toml": PROJECT + text}
    made = plan(make_tree(PROCFILE | files))
    assert made.python is not None
    assert made.python.project is project
    fetch = phase_of(made, "fetch")
    assert fetch.files == (() if project else ("uv.lock", "pyproject.toml"))


def test_the_phases_of_a_python_app(make_tree: MakeTree) -> None:
    made = plan(make_tree(PROCFILE | {"requirements.txt": "flask\n"}))
    assert [(phase.name, phase.network) for phase in made.phases] == [
        ("setup", False),
        ("fetch", True),
        ("install", False),
    ]


def test_a_poetry_app_that_is_no_package_has_its_dependencies_installed(
    make_tree: MakeTree,
) -> None:
    project = (
        '[tool.poetry]\nname = "my-shop"\n[tool.poetry.dependencies]\npython = "^3.11"\n'
        '[build-system]\nrequires = ["poetry-core"]\n'
    )
    files: dict[str, str | bytes] = {"pyproject.toml": project, "poetry.lock": ""}
    app = plan(make_tree(files | {"app/main.py": "", "Procfile": "web: x\n"}))
    assert app.python is not None
    assert not app.python.package
    assert not app.python.project
    assert any("package-mode" in warning for warning in app.warnings)
    package = plan(make_tree(files | {"my_shop/__init__.py": "", "Procfile": "web: x\n"}))
    assert package.python is not None
    assert package.python.package
