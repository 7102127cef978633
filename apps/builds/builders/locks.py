"""The lock files of Poetry, PDM and Pipenv as requirements with hashes, for uv.

A lock says all: names, versions, markers, hashes. So none of these tools has
to run (or be kept) on the server: each entry becomes one line of pip's
requirements format, and uv installs exactly these.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.builds.builders.base import BuildFailed
from buildpacks.plan import PythonDependencies
from buildpacks.python.requirements import split_local

MANAGERS = ("poetry", "pdm", "pipenv")
TRANSLATED = "paas-requirements.txt"
CONSTRAINTS = "paas-constraints.txt"
Table = Mapping[str, Any]


@dataclass(frozen=True)
class Translated:
    """Requirements and constraints in pip's format.

    `exact` says that the requirements are the whole, so that nothing is left
    to resolve. `local` are the lines for packages at paths in the tree.
    """

    requirements: str
    constraints: str = ""
    exact: bool = True
    local: tuple[str, ...] = ()


def translate(needs: PythonDependencies, files: Mapping[str, bytes]) -> Translated | None:
    """The lock for uv; None for managers that uv reads itself.

    Raises:
        BuildFailed: the lock cannot be read.
    """
    if needs.manager not in MANAGERS:
        return None
    name = needs.files[0]
    try:
        return _translated(name, files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildFailed(
            f"{name} could not be read",
            f"It is not a lock file of a format known here ({error}).",
            f"Make it anew with a current version of {needs.manager}, and commit it.",
        ) from None


def _translated(name: str, files: Mapping[str, bytes]) -> Translated:
    text = files[name].decode()
    if name == "Pipfile.lock":
        return _parted(_pipfile_lock(json.loads(text)))
    if name == "Pipfile":
        return _parted(_wanted(tomllib.loads(text).get("packages", {})), exact=False)
    lock = tomllib.loads(text)
    if name == "pdm.lock":
        return _parted(_pdm(lock))
    locked = _parted(_poetry(lock))
    if _version(lock) >= (2, 1):
        return locked
    # Older locks do not say on which platform a package is needed: uv finds out.
    project = tomllib.loads(files["pyproject.toml"].decode())
    wanted = project["tool"]["poetry"]["dependencies"]
    names = {
        key: _without_version(value)
        for key, value in wanted.items()
        if key != "python" and not (isinstance(value, dict) and "path" in value)
    }
    return Translated(_text(_wanted(names)), locked.requirements, exact=False, local=locked.local)


def _parted(lines: Iterator[str], *, exact: bool = True) -> Translated:
    """Packages of an index on the one side, paths in the tree on the other."""
    rest, local = split_local(_text(lines))
    return Translated(rest, exact=exact, local=tuple(local))


def static_pyproject(files: Mapping[str, bytes]) -> bool:
    """Whether pyproject.toml alone says, without running anything, what is to be installed."""
    document: dict[str, Any] = tomllib.loads(files["pyproject.toml"].decode())
    project = document.get("project")
    if not isinstance(project, dict) or "dependencies" in project.get("dynamic", ()):
        return False
    sources = document.get("tool", {}).get("uv", {}).get("sources", {})
    return not any(isinstance(one, dict) and "path" in one for one in sources.values())


def path_line(path: str, *, editable: bool = False, markers: str = "") -> str:
    """The line that installs the package at `path`, relative to the top of the tree."""
    marker = f" ; {markers}" if markers else ""
    shown = path if path.startswith("/") else f"./{path.removeprefix('./')}"
    return _one_line(f"{'-e ' if editable else ''}{shown}{marker}")


def _version(lock: Table) -> tuple[int, ...]:
    return tuple(int(part) for part in str(lock["metadata"]["lock-version"]).split("."))


def _without_version(wanted: Any) -> dict[str, Any]:
    """Poetry's `^` and `~` mean nothing to uv, and the lock has the version."""
    if not isinstance(wanted, dict):
        return {}
    return {key: wanted[key] for key in ("extras", "markers", "optional") if key in wanted}


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _poetry(lock: Table) -> Iterator[str]:
    """Lock format 2; each package has its own markers since 2.1 (Poetry 2)."""
    for package in lock["package"]:
        if package.get("optional") or "main" not in package.get("groups", ["main"]):
            continue
        source = package.get("source", {})
        markers = package.get("markers", "")
        if isinstance(markers, dict):  # one per group
            markers = markers.get("main", "")
        if source.get("type") in ("directory", "file"):
            yield path_line(source["url"], editable=package.get("develop", False), markers=markers)
            continue
        place = _place(source, source.get("resolved_reference", source.get("reference", "")))
        hashes = [file["hash"] for file in package.get("files", ())]
        yield _line(package["name"], package["version"], markers, hashes, place)


def _pdm(lock: Table) -> Iterator[str]:
    """Lock format 4: one entry per package, and one more for each set of extras."""
    for package in lock["package"]:
        if "default" not in package.get("groups", ["default"]):
            continue
        markers = package.get("marker", "")
        if "path" in package:
            yield path_line(
                package["path"], editable=package.get("editable", False), markers=markers
            )
            continue
        place = (
            _place({"type": "git", "url": package["git"]}, package["revision"])
            if "git" in package
            else package.get("url", "")
        )
        hashes = [file["hash"] for file in package.get("files", ())]
        yield _line(package["name"], package["version"], markers, hashes, place)


def _pipfile_lock(lock: Table) -> Iterator[str]:
    for name, package in lock["default"].items():
        if "path" in package:
            yield path_line(package["path"], editable=package.get("editable", False))
            continue
        place = (
            _place({"type": "git", "url": package["git"]}, package["ref"])
            if "git" in package
            else package.get("file", "")
        )
        version = package.get("version", "").removeprefix("==")
        markers, hashes = package.get("markers", ""), package.get("hashes", ())
        yield _line(name, version, markers, hashes, place)


def _wanted(packages: Table) -> Iterator[str]:
    """The dependencies of a Pipfile, or of Poetry's table, which are written alike."""
    for name, wanted in packages.items():
        entry = {"version": wanted} if isinstance(wanted, str) else wanted
        if entry.get("optional"):
            continue
        if "path" in entry:
            yield path_line(entry["path"], editable=bool(entry.get("editable")))
            continue
        extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
        version = entry.get("version", "*")
        marker = f" ; {entry['markers']}" if entry.get("markers") else ""
        if "git" in entry:
            version = f" @ git+{entry['git']}@{entry.get('ref', 'HEAD')}"
        yield _one_line(f"{name}{extras}{'' if version == '*' else version}{marker}")


def _place(source: Table, reference: str) -> str:
    """The address of a package that comes from no index, as a direct reference."""
    kind = source.get("type", "")
    if kind == "git":
        return f"git+{source['url']}@{reference}"
    if kind == "url":
        return str(source["url"])
    return ""


def _line(name: str, version: str, markers: str, hashes: list[str] | tuple[()], place: str) -> str:
    wanted = f"{name} @ {place}" if place else f"{name}=={version}"
    marker = f" ; {markers}" if markers else ""
    proofs = "" if place.startswith("git+") else "".join(f" --hash={one}" for one in hashes)
    return _one_line(wanted + marker + proofs)


def _one_line(text: str) -> str:
    """A lock is hostile too: a line end would smuggle in pip's options."""
    if any(char in text for char in "\r\n\\"):
        raise ValueError("an entry holds a line end or a backslash")
    return text
