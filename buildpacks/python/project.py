"""What pyproject.toml and the Pipfile say, whoever manages the dependencies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.utils import canonicalize_name

from buildpacks.document import Table, read_json, read_toml
from buildpacks.python.requirements import requirement_names
from buildpacks.tree import MAX_FILE, SourceTree

PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Project:
    """The tree's own metadata.

    `pipfile` holds `packages` and `requires`, taken from Pipfile.lock where
    there is one; `pipfile_names` are the packages the Pipfile lists for every
    platform.
    """

    pyproject: Table
    pipfile: Table | None
    pipfile_names: frozenset[str]

    @classmethod
    def read(cls, tree: SourceTree) -> Project:
        pipfile = read_toml(tree, "Pipfile")
        lock = read_json(tree, "Pipfile.lock", limit=MAX_FILE)
        return cls(
            pyproject=read_toml(tree, PYPROJECT) or Table({}, PYPROJECT),
            pipfile=_locked(lock) if lock is not None else pipfile,
            pipfile_names=_unconditional(pipfile),
        )

    @cached_property
    def _project(self) -> Table | None:
        return self.pyproject.table("project")

    @cached_property
    def tool(self) -> Table:
        return self.pyproject.table("tool") or Table({}, PYPROJECT, "tool")

    @cached_property
    def _poetry(self) -> Table | None:
        poetry = self.tool.table("poetry")
        return poetry.table("dependencies") if poetry is not None else None

    @property
    def named(self) -> bool:
        """Whether pyproject.toml describes a project, and not only tools."""
        return self._project is not None or "poetry" in self.tool

    @cached_property
    def is_package(self) -> bool:
        """Whether the tree itself is to be installed (uv's and Poetry's rules)."""
        uv = self.tool.table("uv")
        asked = uv.flag("package") if uv is not None else None
        if asked is not None:
            return asked
        poetry = self.tool.table("poetry")
        if poetry is not None and poetry.flag("package-mode") is False:
            return False
        return "build-system" in self.pyproject

    @cached_property
    def has_local_dependencies(self) -> bool:
        """Whether a dependency is a path in the tree or a member of its workspace."""
        return self._has_workspace or any(map(_is_local, self._sources()))

    @property
    def poetry_name(self) -> str | None:
        """The name that Poetry looks for a package by."""
        poetry = self.tool.table("poetry")
        name = poetry.text("name") if poetry is not None else None
        return name or (self._project.text("name") if self._project is not None else None)

    @property
    def poetry_layout(self) -> bool:
        """Whether Poetry is told which packages there are."""
        poetry = self.tool.table("poetry")
        return poetry is not None and ("packages" in poetry or "include" in poetry)

    @cached_property
    def pipfile_has_paths(self) -> bool:
        """Whether a package of the Pipfile is a path in the tree."""
        packages = self.pipfile.table("packages") if self.pipfile is not None else None
        return packages is not None and any(map(_is_local, packages.data.values()))

    @property
    def _has_workspace(self) -> bool:
        uv = self.tool.table("uv")
        return uv is not None and "workspace" in uv

    def _sources(self) -> Iterator[object]:
        """Where uv and Poetry are told to take dependencies from."""
        uv = self.tool.table("uv")
        sources = uv.table("sources") if uv is not None else None
        yield from sources.data.values() if sources is not None else ()
        yield from self._poetry.data.values() if self._poetry is not None else ()

    @cached_property
    def requires_python(self) -> tuple[str, str] | None:
        """The specifier and the key it stands at."""
        if self._project is not None:
            text = self._project.text("requires-python")
            if text is not None:
                return text, "requires-python"
        if self._poetry is not None and isinstance(self._poetry.data.get("python"), str):
            return _poetry_specifier(self._poetry.data["python"]), "tool.poetry.dependencies.python"
        return None

    @cached_property
    def plain_names(self) -> frozenset[str]:
        """Normalized names of the dependencies that every platform gets."""
        listed = self._dependencies()
        return frozenset().union(*(requirement_names(one) for one in listed if ";" not in one))

    @cached_property
    def names(self) -> frozenset[str]:
        """Normalized names of all direct dependencies."""
        found = set().union(*(requirement_names(one) for one in self._dependencies()))
        if self._poetry is not None:
            found |= {str(canonicalize_name(name)) for name in self._poetry if name != "python"}
        return frozenset(found)

    def _dependencies(self) -> tuple[str, ...]:
        return (self._project.texts("dependencies") if self._project is not None else None) or ()


def _locked(lock: Table) -> Table:
    """Pipfile.lock in the form of a Pipfile."""
    data = {"packages": (lock.table("default") or Table({}, lock.file)).data}
    requires = (lock.table("_meta") or Table({}, lock.file)).table("requires")
    if requires is not None:
        data["requires"] = requires.data
    return Table(data, lock.file)


def _unconditional(pipfile: Table | None) -> frozenset[str]:
    packages = pipfile.table("packages") if pipfile is not None else None
    if packages is None:
        return frozenset()
    return frozenset(
        str(canonicalize_name(name)) for name, value in packages.data.items() if value == "*"
    )


def _is_local(source: object) -> bool:
    """Whether a source, or one of several alternatives, is a path or a workspace member."""
    if isinstance(source, list):
        return any(_is_local(one) for one in source)
    return isinstance(source, dict) and ("path" in source or "workspace" in source)


def _poetry_specifier(text: str) -> str:
    """Poetry's caret and tilde as PEP 440: "^3.11" is >=3.11,<4, "~3.11" is >=3.11,<3.12."""
    parts = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"([\^~])(\d+)(?:\.(\d+))?(\.\d+)?", part)
        if match is None:
            parts.append("" if part == "*" else _exact(part))
            continue
        kind, major, minor, _ = match.groups()
        upper = f"{major}.{int(minor) + 1}" if kind == "~" and minor else f"{int(major) + 1}"
        parts.append(f">={part[1:]},<{upper}")
    return ",".join(part for part in parts if part)


def _exact(part: str) -> str:
    return f"=={part}" if part[:1].isdigit() else part
