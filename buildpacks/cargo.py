"""What Cargo.toml says, of the top and of all packages in the tree that belong to it."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from buildpacks.document import Table, read_toml
from buildpacks.errors import PlanError, shown
from buildpacks.tree import SourceTree

MANIFEST = "Cargo.toml"
MAX_PACKAGES = 200
_DEPENDENCIES = ("dependencies", "build-dependencies", "dev-dependencies")
_TARGETS = ("bin", "test", "bench", "example")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Package:
    """One package of the tree.

    Args:
        folder: where its manifest lies, "" at the top.
        name: "" for a workspace that is none itself.
        programs: the names of what is built of it.
        sources: the files without which Cargo does not take it for a package.
        default_run: the program that `cargo run` starts, "" if it names none.
    """

    folder: str
    name: str
    programs: tuple[str, ...]
    sources: tuple[str, ...]
    default_run: str = ""

    @property
    def manifest(self) -> str:
        return f"{self.folder}/{MANIFEST}" if self.folder else MANIFEST


def read_packages(tree: SourceTree) -> list[Package]:
    """The package at the top, then those it leads to: members of the workspace, and paths.

    Raises:
        PlanError: a manifest is broken, or there are too many.
    """
    waiting, found = [""], dict[str, Package]()
    while waiting:
        folder = waiting.pop(0)
        if folder in found:
            continue
        if len(found) == MAX_PACKAGES:
            raise PlanError(
                f"There are more than {MAX_PACKAGES} packages",
                why="So many cannot be built for one app.",
                fix="Push the part that is the app as a repository of its own.",
                file=MANIFEST,
            )
        name = f"{folder}/{MANIFEST}" if folder else MANIFEST
        manifest = read_toml(tree, name) if tree.is_file(name) else None
        if manifest is not None:
            found[folder] = _package(tree, folder, manifest)
            waiting += _others(tree, folder, manifest)
    return list(found.values())


def _package(tree: SourceTree, folder: str, manifest: Table) -> Package:
    package = manifest.table("package")
    if package is None:
        return Package(folder, "", (), ())
    name = package.text("name") or ""
    if not _NAME.fullmatch(name):
        raise package.wrong(
            "name", "is not the name of a package", f'It is "{shown(name)}".', "Correct it."
        )
    named = [one for kind in _TARGETS for one in manifest.tables(kind) or ()]
    lib = manifest.table("lib")
    listed = [one.text("path") for one in named] + [lib.text("path") if lib is not None else None]
    build = package.data.get("build", "build.rs")
    usual = ("src/main.rs", "src/lib.rs", build if isinstance(build, str) else "")
    paths = [path for path in usual if path and tree.is_file(_joined(folder, path))]
    paths += [path for path in listed if path] + list(_of_their_names(manifest, paths))
    inside = (_joined(folder, path) for path in dict.fromkeys(paths))
    return Package(
        folder,
        name,
        tuple(_programs(tree, folder, name, manifest)),
        tuple(path for path in inside if _is_inside(path)),
        package.text("default-run") or "",
    )


def _of_their_names(manifest: Table, paths: list[str]) -> Iterator[str]:
    """Programs that are listed without a path lie in src/bin, or are src/main.rs."""
    for one in manifest.tables("bin") or ():
        name = one.text("name") or ""
        if one.text("path") is None and _NAME.fullmatch(name) and "src/main.rs" not in paths:
            yield f"src/bin/{name}.rs"


def _programs(tree: SourceTree, folder: str, name: str, manifest: Table) -> Iterator[str]:
    listed = manifest.tables("bin") or []
    renamed = any(one.text("path") == "src/main.rs" for one in listed)
    if tree.is_file(_joined(folder, "src/main.rs")) and not renamed:
        yield name
    yield from (found for one in listed if _NAME.fullmatch(found := one.text("name") or ""))
    for entry in tree.names(_joined(folder, "src/bin"))[:MAX_PACKAGES]:
        found = entry.removesuffix(".rs")
        whole = tree.is_file(_joined(folder, f"src/bin/{entry}/main.rs"))
        if (entry.endswith(".rs") or whole) and _NAME.fullmatch(found):
            yield found


def _others(tree: SourceTree, folder: str, manifest: Table) -> Iterator[str]:
    """Folders of other packages of the tree that this one names."""
    workspace = manifest.data.get("workspace")
    workspace = workspace if isinstance(workspace, dict) else {}
    members = workspace.get("members", ())
    for pattern in members if isinstance(members, list) else ():
        if isinstance(pattern, str):
            yield from _expanded(tree, _joined(folder, pattern))
    targets = manifest.data.get("target")
    places = [manifest.data, workspace]
    places += [one for one in _values(targets) if isinstance(one, dict)]
    tables = [place.get(key) for place in places for key in _DEPENDENCIES]
    tables += _values(manifest.data.get("patch"))
    for one in (one for table in tables for one in _values(table)):
        path = one.get("path") if isinstance(one, dict) else None
        if isinstance(path, str) and _is_inside(joined := _joined(folder, path)):
            yield joined


def _values(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, Mapping) else []


def _expanded(tree: SourceTree, pattern: str) -> Iterator[str]:
    """The folders that a pattern such as `crates/*` means."""
    folder, _, last = pattern.rpartition("/")
    if not _is_inside(pattern) or "*" in folder:
        return
    names = tree.names(folder or ".") if "*" in last else [last]
    for name in names[:MAX_PACKAGES]:
        if fnmatch.fnmatchcase(name, last):
            yield _joined(folder, name)


def _joined(folder: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(folder, path))
    return "" if joined == "." else joined


def _is_inside(path: str) -> bool:
    return path.isprintable() and not path.startswith(("/", "../", "~")) and path != ".."
