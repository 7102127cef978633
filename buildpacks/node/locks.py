"""What the lock files of npm, pnpm and Yarn tell without running these tools.

npm's is JSON and read whole. The others are YAML or Yarn's own format, of
which only single lines are looked at, by expressions that take linear time.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from buildpacks.document import read_json
from buildpacks.errors import PlanError, shown
from buildpacks.node.package import PACKAGE, Package
from buildpacks.tree import MAX_LOCK, SourceTree

MAX_WORKSPACES = 200
_LISTS = ("dependencies", "optionalDependencies", "devDependencies")
_RELOCK = "Run `npm install` and commit {lock}."
_IMPORTER = re.compile(r"^  '?([^\s':][^\n':]{0,200})'?:(?: \{\})?$", re.MULTILINE)
_BERRY_WORKSPACE = re.compile(
    r'^  resolution: "[^"\n]{1,200}@workspace:([^"\n]{1,200})"$', re.MULTILINE
)
_PNPM_PATCH = re.compile(r"^    path: '?([^\s'\n]{1,200})'?$", re.MULTILINE)
_PNPM_VERSION = re.compile(r"^lockfileVersion: '?(\d{1,3})", re.MULTILINE)
# lockfileVersion → the pnpm that wrote it last
_PNPM = {"5": "7", "6": "8", "9": "9"}


@dataclass(frozen=True)
class Lock:
    """`folders` are those of workspace members; `scripts` says whether a package runs one on
    installation; `foreign` whether installing may run code of others (a git dependency is
    prepared with its own scripts); `files` are those of the tree that installing needs besides."""

    folders: tuple[str, ...] = ()
    scripts: bool = True
    foreign: bool = False
    files: tuple[str, ...] = ()


def read_npm_lock(tree: SourceTree, lock: str, package: Package) -> Lock:
    """What package-lock.json (or npm-shrinkwrap.json) says.

    Raises:
        PlanError: it is broken, or misses a dependency of package.json.
    """
    document = read_json(tree, lock, limit=MAX_LOCK)
    assert document is not None
    packages = document.table("packages")
    if packages is None:  # version 1, of npm 6 and older
        return Lock(foreign=True)
    entries = {name: entry for name, entry in packages.data.items() if isinstance(entry, dict)}
    _refuse_stale(lock, package, entries)
    places = [str(entry.get("resolved", "")) for entry in entries.values()]
    return Lock(
        folders=_folders(name for name in entries if name and "node_modules" not in name),
        scripts=any(entry.get("hasInstallScript") for entry in entries.values()),
        foreign=any(place.startswith("git") for place in places) or _names_a_place(entries),
        files=_files(tree, (place[5:] for place in places if place.startswith("file:"))),
    )


def read_pnpm_lock(tree: SourceTree, text: str) -> tuple[Lock, str]:
    """What pnpm-lock.yaml says, and the major version of pnpm it fits ("" if unknown)."""
    section = text.partition("\nimporters:\n")[2]
    end = re.search(r"^\S", section, re.MULTILINE)
    importers = _IMPORTER.findall(section[: end.start()] if end is not None else section)
    version = _PNPM_VERSION.search(text[:1000])
    major = _PNPM.get(version[1], "") if version is not None else ""
    foreign = any(word in text for word in ("type: git", "git+", "tarball:"))
    folders = _folders(name for name in importers if name != ".")
    return Lock(folders, foreign=foreign, files=_files(tree, _PNPM_PATCH.findall(text))), major


def read_yarn_lock(tree: SourceTree, text: str, package: Package) -> Lock:
    """What a yarn.lock of Yarn 1 says; its workspaces are found by the patterns."""
    return Lock(_folders(_expanded(tree, package.workspaces)), foreign="git" in text)


def read_berry_lock(tree: SourceTree, text: str) -> Lock:
    """What a yarn.lock of Yarn 2 and newer says."""
    found = _BERRY_WORKSPACE.findall(text)
    places = (".yarn/patches", ".yarn/plugins", ".yarn/plugins/@yarnpkg")
    files = (f"{place}/{name}" for place in places for name in tree.names(place))
    folders = _folders(name for name in found if name != ".")
    return Lock(folders, foreign=True, files=_files(tree, files))


def _names_a_place(entries: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a dependency comes from anywhere but the registry or the tree."""
    lists = (entry.get(key) for entry in entries.values() for key in (*_LISTS, "peerDependencies"))
    wanted = (spec for one in lists if isinstance(one, dict) for spec in one.values())
    return any(
        "/" in str(spec) or ":" in str(spec)
        for spec in wanted
        if not str(spec).startswith(("npm:", "file:", "workspace:"))
    )


def _refuse_stale(lock: str, package: Package, entries: Mapping[str, Mapping[str, object]]) -> None:
    """The lock repeats package.json's lists: a difference means that it is old."""
    locked: dict[str, object] = {}
    for key in _LISTS:
        part = entries.get("", {}).get(key)
        locked |= part if isinstance(part, dict) else {}
    wanted = {**package.development, **package.dependencies}
    missing = sorted(name for name in wanted if locked.get(name) != wanted[name])
    if missing:
        name = missing[0]
        has = f"has {shown(str(locked[name]))}" if name in locked else "does not"
        raise _stale(lock, f"{PACKAGE} lists {shown(name)} {shown(wanted[name])}, {lock} {has}.")
    optional = entries.get("", {}).get("optionalDependencies")
    needed = sorted(set(wanted) - set(optional if isinstance(optional, dict) else ()))
    gone = [name for name in needed if f"node_modules/{name}" not in entries]
    if gone:
        raise _stale(lock, f"It lists {shown(gone[0])}, but not where that comes from.")


def _stale(lock: str, why: str) -> PlanError:
    return PlanError("out of date", why=why, fix=_RELOCK.format(lock=lock), file=lock)


def _expanded(tree: SourceTree, patterns: tuple[str, ...]) -> Iterator[str]:
    """Folders with a package.json that match patterns such as `packages/*`."""
    for pattern in patterns[:MAX_WORKSPACES]:
        folder, _, last = pattern.strip("./").rpartition("/")
        if "*" in folder or pattern.startswith("!"):
            continue
        names = tree.names(folder or ".") if "*" in last else [last]
        for name in names[:MAX_WORKSPACES]:
            path = f"{folder}/{name}" if folder else name
            if fnmatch.fnmatchcase(name, last) and tree.is_file(f"{path}/{PACKAGE}"):
                yield path


def _files(tree: SourceTree, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are files of the tree."""
    listed = list(dict.fromkeys(names))[:MAX_WORKSPACES]
    return tuple(name for name in listed if _inside(name) and tree.is_file(name))


def _inside(name: str) -> bool:
    outside = name.startswith(("/", "~")) or ".." in name.split("/")
    return bool(name) and name.isprintable() and not outside


def _folders(names: Iterator[str]) -> tuple[str, ...]:
    """Each folder once; one outside of the tree is refused.

    Raises:
        PlanError: too many, or a name that leads out.
    """
    found = tuple(dict.fromkeys(names))
    for name in found:
        if not _inside(name):
            raise PlanError(
                f'A workspace is to lie at "{shown(name)}"',
                why="Only folders of the repository can be members of it.",
                fix="Move it into the repository, and make the lock file anew.",
            )
    if len(found) > MAX_WORKSPACES:
        raise PlanError(
            f"There are more than {MAX_WORKSPACES} workspaces",
            why="So many cannot be installed for one app.",
            fix="Push the part that is the app as a repository of its own.",
        )
    return found
