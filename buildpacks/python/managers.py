"""Which tool installs the dependencies of a Python tree, decided as Heroku's Python buildpack does.

Exactly one manager's file may be there; `NIXPACKS_PYTHON_PACKAGE_MANAGER`
overrides. What can be seen wrong without running the tool is an error here:
a lock without its pyproject.toml, a lock that misses a declared dependency, a
committed virtual environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from buildpacks.errors import PlanError, shown
from buildpacks.plan import PythonDependencies
from buildpacks.python.project import PYPROJECT, Project
from buildpacks.python.requirements import read_requirements
from buildpacks.tree import MAX_LOCK, SourceTree

REQUIREMENTS = "requirements.txt"
# file that decides → manager, in the order they are listed to the user
_LOCKS = {
    "uv.lock": "uv",
    REQUIREMENTS: "requirements",
    "poetry.lock": "poetry",
    "pdm.lock": "pdm",
    "Pipfile.lock": "pipenv",
    "Pipfile": "pipenv",
}
_RELOCK = {"uv": "uv lock", "poetry": "poetry lock", "pdm": "pdm lock", "pipenv": "pipenv lock"}
_OVERRIDE = "NIXPACKS_PYTHON_PACKAGE_MANAGER"
_OVERRIDES = {
    "requirements": "requirements",
    "setuptools": "pyproject",
    "poetry": "poetry",
    "pdm": "pdm",
    "uv": "uv",
    "pipenv": "pipenv",
    "skip": "none",
}
_MISSPELLED = (
    "requirement.txt",
    "requirments.txt",
    "requeriments.txt",
    "Requirements.txt",
    "requirements.text",
    "requirements.txt.txt",
)


@dataclass(frozen=True)
class Installation:
    """How the dependencies get in, and what is known of them.

    `names` are normalized names of what is installed, as far as the files
    tell without a resolver; `warnings` are for the user.
    """

    dependencies: PythonDependencies
    names: frozenset[str]
    warnings: tuple[str, ...] = ()


def find_installation(
    tree: SourceTree, project: Project, variables: Mapping[str, str]
) -> Installation:
    """Decides the manager and reads what it installs.

    Raises:
        PlanError: no or several managers' files, or files that contradict each other.
    """
    manager = _manager(tree, project, variables)
    _refuse_environment(tree)
    if manager == "requirements":
        return _from_requirements(tree)
    if manager == "pipenv":
        return _from_pipenv(tree, project)
    if manager == "none":
        return Installation(PythonDependencies("none"), frozenset())
    return _from_pyproject(tree, project, manager)


def _manager(tree: SourceTree, project: Project, variables: Mapping[str, str]) -> str:
    asked = variables.get(_OVERRIDE, "auto").lower()
    if asked in _OVERRIDES:
        return _OVERRIDES[asked]
    found = {manager: file for file, manager in _LOCKS.items() if tree.is_file(file)}
    if len(found) > 1:
        raise _several(list(found.values()))
    if found:
        return next(iter(found))
    if project.named:
        return "pyproject"
    _refuse_misspelling(tree)
    if tree.is_file("setup.py"):
        raise PlanError(
            "no file lists the dependencies beside it",
            why="A setup.py alone does not say how the app is to be installed.",
            fix="Add a requirements.txt with the line `--editable .`, or a pyproject.toml.",
            file="setup.py",
        )
    return "none"


def _from_requirements(tree: SourceTree) -> Installation:
    found = read_requirements(tree, REQUIREMENTS)
    dependencies = PythonDependencies("requirements", tuple(found.files), project=found.local)
    return Installation(dependencies, frozenset(found.names))


def _from_pyproject(tree: SourceTree, project: Project, manager: str) -> Installation:
    lock = f"{manager}.lock"
    if not tree.is_file(PYPROJECT):
        raise PlanError(
            "there is no pyproject.toml beside it"
            if tree.is_file(lock)
            else f"There is no pyproject.toml for {manager}",
            why="The lock file belongs to the project that pyproject.toml describes.",
            fix="Add pyproject.toml with `git add` and commit it.",
            file=lock if tree.is_file(lock) else None,
        )
    files: tuple[str, ...] = (PYPROJECT,)
    warnings: tuple[str, ...] = ()
    if manager == "pyproject":
        warnings = (
            "pyproject.toml comes without a lock file, so every build may install other versions. "
            "Run `uv lock` and commit uv.lock.",
        )
    else:
        _refuse_stale(tree, manager, lock, project.plain_names)
        files = (lock, PYPROJECT)
    package = project.is_package
    if manager == "poetry" and package and not _poetry_finds_package(tree, project):
        package = False
        warnings += (
            "pyproject.toml describes a package that is not there, so only its dependencies are "
            "installed. Say so there: `[tool.poetry]` package-mode = false.",
        )
    local = package or project.has_local_dependencies
    dependencies = PythonDependencies(manager, files, project=local, package=package)
    return Installation(dependencies, project.names, warnings)


def _poetry_finds_package(tree: SourceTree, project: Project) -> bool:
    """Whether Poetry would find what to install; if not, Poetry 1 went on with a warning."""
    if project.poetry_layout or project.poetry_name is None:
        return True
    name = re.sub(r"[-.]", "_", project.poetry_name)
    return any(
        tree.is_file(f"{folder}{name}.py") or tree.names(f"{folder}{name}")
        for folder in ("", "src/")
    )


def _from_pipenv(tree: SourceTree, project: Project) -> Installation:
    files = tuple(file for file in ("Pipfile.lock", "Pipfile") if tree.is_file(file))
    packages = project.pipfile.table("packages") if project.pipfile is not None else None
    names = frozenset(str(canonicalize_name(name)) for name in packages or ())
    warnings: tuple[str, ...] = ()
    if "Pipfile.lock" not in files:
        warnings = (
            "There is a Pipfile, but no Pipfile.lock, so every build may install other versions. "
            "Run `pipenv lock` and commit Pipfile.lock.",
        )
    elif missing := project.pipfile_names - names:
        raise _stale("pipenv", "Pipfile", "Pipfile.lock", missing)
    dependencies = PythonDependencies("pipenv", files, project=project.pipfile_has_paths)
    return Installation(dependencies, names, warnings)


def _refuse_stale(tree: SourceTree, manager: str, lock: str, declared: frozenset[str]) -> None:
    """A dependency that is declared for every platform and not locked: the lock is old.

    Cheap (no parsing: locks have megabytes) and never wrong; the rest is told
    by the manager itself during the build.
    """
    text = tree.read(lock, MAX_LOCK)
    if text is None:
        raise PlanError(
            f"There is no {lock}",
            why=f"{_OVERRIDE} asks for {manager}.",
            fix=f"Run `{_RELOCK[manager]}` and commit {lock}.",
        )
    missing = {name for name in declared if f'name = "{name}"' not in text}
    if missing:  # older locks keep the spelling of the author
        missing -= {
            str(canonicalize_name(name)) for name in re.findall(r'\bname = "([^"]+)"', text)
        }
    if missing:
        raise _stale(manager, PYPROJECT, lock, missing)


def _stale(manager: str, source: str, lock: str, missing: Set[str]) -> PlanError:
    return PlanError(
        "out of date",
        why=f"{source} lists {shown(', '.join(sorted(missing)))}, {lock} does not.",
        fix=f"Run `{_RELOCK[manager]}` and commit {lock}.",
        file=lock,
    )


def _refuse_environment(tree: SourceTree) -> None:
    for folder in (".venv", "venv"):
        if folder in tree.entries and tree.is_file(f"{folder}/pyvenv.cfg"):
            raise PlanError(
                "a virtual environment is committed",
                why="Its files fit one machine only and do not work on another.",
                fix=f"Run `git rm -r --cached {folder}`, add `{folder}/` to .gitignore and commit.",
                file=folder,
            )


def _refuse_misspelling(tree: SourceTree) -> None:
    for name in _MISSPELLED:
        if name in tree.entries:
            raise PlanError(
                "not read",
                why="The file that lists the dependencies is called requirements.txt.",
                fix=f"Run `git mv {name} requirements.txt` and commit.",
                file=name,
            )


def _several(files: list[str]) -> PlanError:
    listed = ", ".join(files)
    return PlanError(
        f"The files of several package managers were found: {listed}",
        why="It is not clear which of them lists what the app needs.",
        fix="Keep the file of the one you use and delete the others; or name it in nixpacks.toml: "
        f'`[variables]` {_OVERRIDE} = "uv" (or requirements, poetry, pdm, pipenv).',
    )
