"""Which Python a tree asks for.

The first of these decides (Heroku's Python buildpack, `lib/python_version.sh`,
then uv's rule): NIXPACKS_PYTHON_VERSION, runtime.txt (deprecated),
.python-version, the `requires` of Pipfile.lock or Pipfile, `requires-python`
of pyproject.toml (Poetry: the `python` dependency). A version chosen further
up must satisfy `requires-python` all the same, as uv demands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildpacks.document import Table
from buildpacks.errors import PlanError, shown
from buildpacks.plan import Pin
from buildpacks.python.project import Project
from buildpacks.tree import SourceTree

PYTHON_VERSION = ".python-version"
RUNTIME = "runtime.txt"
_VERSION = re.compile(r"(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})(\.(0|[1-9]\d{0,3}))?", re.ASCII)
_MISSPELLED = (
    ".python_version",
    ".Python-version",
    ".python-version.txt",
    ".python.version",
    ".pythonversion",
    "python-version",
    "python-version.txt",
    "python_version",
)
_HOW = "Write only the version into .python-version, for example 3.12 (recommended) or 3.12.4."
MAX_SPECIFIER = 200  # letters; what is longer is cut, and then mostly no specifier any more
Requested = tuple[str, str]  # version "3.12" or "3.12.4", where it was asked for


def python_pin(
    tree: SourceTree, project: Project, variables: Mapping[str, str]
) -> tuple[Pin, list[str]]:
    """The version that counts, and warnings.

    Raises:
        PlanError: a file that is to give the version does not, or two contradict each other.
    """
    warnings: list[str] = []
    requested = _requested(tree, project, variables, warnings)
    requires = _requires_python(project)
    if requested is None:
        if requires is None:
            warnings.append(
                "No Python version was specified, so the newest one here is used and may change. "
                f"{_HOW}"
            )
            return Pin("python", "", "default"), warnings
        return Pin("python", str(requires[0]), requires[1]), warnings
    version, source = requested
    if requires is not None and not _may_satisfy(version, requires[0]):
        raise PlanError(
            f"asks for Python {version}, but pyproject.toml for {requires[0]}",
            why=f"{requires[1]} excludes Python {version}.",
            fix=f"Change the version in {source}, or requires-python in pyproject.toml.",
            file=source,
        )
    return Pin("python", version if version.count(".") == 2 else f"=={version}.*", source), warnings


def _requested(
    tree: SourceTree, project: Project, variables: Mapping[str, str], warnings: list[str]
) -> Requested | None:
    """The version asked for by anything but requires-python."""
    if "NIXPACKS_PYTHON_VERSION" in variables:
        source = "NIXPACKS_PYTHON_VERSION"
        return _checked(variables[source].strip(), source), source
    runtime = tree.read(RUNTIME)
    if runtime is not None:
        warnings.append(
            "runtime.txt is deprecated. Delete it and write the version into .python-version."
        )
        return _checked(_only_line(runtime, RUNTIME).removeprefix("python-"), RUNTIME), RUNTIME
    text = tree.read(PYTHON_VERSION)
    if text is not None:
        return _checked(_only_line(text, PYTHON_VERSION), PYTHON_VERSION), PYTHON_VERSION
    _refuse_misspelling(tree)
    return _of_pipfile(project.pipfile) if project.pipfile is not None else None


def _only_line(text: str, file: str) -> str:
    """The one line of `text` that is neither empty nor a comment."""
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) == 1:
        return lines[0]
    raise PlanError(
        f"holds {'no' if not lines else 'more than one'} Python version",
        why="One version builds and runs the app."
        if lines
        else "Empty lines and lines that begin with # do not count.",
        fix=_HOW,
        file=file,
    )


def _checked(version: str, file: str) -> str:
    if _VERSION.fullmatch(version):
        return version
    raise PlanError(
        f'"{shown(version)}" is not a Python version',
        why="A version is written as 3.12 or 3.12.4: no quotes, no ranges, no other words.",
        fix=_HOW,
        file=file,
    )


def _refuse_misspelling(tree: SourceTree) -> None:
    for name in _MISSPELLED:
        if name in tree.entries:
            raise PlanError(
                "not read",
                why="The file that gives the Python version is called .python-version.",
                fix=f"Run `git mv {name} .python-version` and commit.",
                file=name,
            )


def _of_pipfile(pipfile: Table) -> Requested | None:
    requires = pipfile.table("requires")
    if requires is None:
        return None
    version = requires.text("python_full_version") or requires.text("python_version")
    if version is None or version == "*":
        return None
    return _checked(version, pipfile.file), pipfile.file


def _requires_python(project: Project) -> tuple[SpecifierSet, str] | None:
    if project.requires_python is None:
        return None
    text, source = project.requires_python
    try:
        return SpecifierSet(text[:MAX_SPECIFIER]), source
    except InvalidSpecifier:
        raise PlanError(
            f'{source} "{shown(text)}" is not a version specifier',
            why="It must be written by PEP 440.",
            fix='Correct it in pyproject.toml, for example to ">=3.11".',
            file="pyproject.toml",
        ) from None


def _may_satisfy(version: str, requires: SpecifierSet) -> bool:
    """Whether `version`, or for "3.12" any patch release of it, is in `requires`."""
    if version.count(".") == 2:
        return requires.contains(version, prereleases=True)
    return any(requires.contains(f"{version}.{patch}", prereleases=True) for patch in range(100))
