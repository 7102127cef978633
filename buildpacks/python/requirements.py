"""requirements.txt: the files it includes and the names it lists, by pip's grammar."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from buildpacks.errors import PlanError, shown
from buildpacks.tree import SourceTree

MAX_FILES = 50
_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=|(?<=-[rc]))(?P<path>\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s+|=)(?P<path>\S.*)")
_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^]]*)])?"
)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_EXTRAS = re.compile(r"\[([\w\s.,-]*)](?:\s|$)")
_LOCAL = re.compile(r"\.{0,2}/|\.{1,2}$|\.{1,2}\[|file:|[^@]*\.(?:whl|zip|tar\.gz)(?:\s|$)")
# extras that bring a server along: (package, extra) → server
_BRINGS = {
    ("fastapi", "standard"): "uvicorn",
    ("fastapi", "all"): "uvicorn",
    ("fastapi", "standard-no-fastapi-cloud-cli"): "uvicorn",
}


@dataclass
class Requirements:
    """What a requirements file and those it includes ask for.

    `files` are all of them, the first one leading; `names` the normalized
    names; `local` whether something of the tree itself is installed.
    """

    files: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    local: bool = False


def read_requirements(tree: SourceTree, path: str) -> Requirements:
    """Reads `path` and every file it includes.

    Raises:
        PlanError: an included file is not in the repository, or there are too many.
    """
    found = Requirements()
    waiting = [(path, "")]
    while waiting:
        current, origin = waiting.pop()
        if current in found.files:
            continue
        text = tree.read(current)
        if text is None:
            raise _missing(current, origin)
        found.files.append(current)
        if len(found.files) > MAX_FILES:
            raise _too_many(path)
        waiting += [(include, current) for include in _scan(text, current, found)]
    return found


def split_local(text: str) -> tuple[str, list[str]]:
    """A requirements file without the lines that install something of the tree, and those lines."""
    lines = list(_logical_lines(text))
    local = [line for line in lines if _is_local(line)]
    return "".join(f"{line}\n" for line in lines if line not in local), local


def extras_of(local: Iterable[str]) -> frozenset[str]:
    """The extras that lines of `split_local` ask for: `.[web]` asks for `web`."""
    found = (_EXTRAS.search(line) for line in local)
    listed = (match[1].split(",") for match in found if match is not None)
    return frozenset(one.strip() for names in listed for one in names)


def requirement_names(requirement: str) -> set[str]:
    """The normalized name of one requirement, and of the server its extras bring."""
    match = _NAME.match(requirement)
    if match is None:
        return set()
    name = str(canonicalize_name(match["name"]))
    extras = [extra.strip().lower() for extra in (match["extras"] or "").split(",")]
    return {name} | {_BRINGS[name, extra] for extra in extras if (name, extra) in _BRINGS}


def _scan(text: str, path: str, found: Requirements) -> Iterator[str]:
    """Adds the names of one file to `found`; yields the paths it includes."""
    for line in _logical_lines(text):
        if include := _INCLUDE.match(line):
            target = include["path"].strip().strip("\"'")
            if not _URL.match(target):
                yield posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        elif _is_local(line):
            found.local = True
        elif not line.startswith("-"):
            found.names |= requirement_names(line)


def _is_local(line: str) -> bool:
    """Whether a line installs something of the tree itself."""
    if editable := _EDITABLE.match(line):
        return "://" not in editable["path"]
    return _LOCAL.match(line) is not None


def _logical_lines(text: str) -> Iterator[str]:
    """Lines with continuations joined, and without comments and empty ones (pip's req_file)."""
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        stripped = _COMMENT.sub("", line).strip()
        if stripped:
            yield stripped


def _missing(path: str, origin: str) -> PlanError:
    return PlanError(
        f"{shown(path)} is not in the repository",
        why=f"{shown(origin)} includes it." if origin else "It lists the dependencies.",
        fix=f"Add {shown(path)} with `git add` and commit it"
        + (f", or remove the line from {shown(origin)}." if origin else "."),
        file=shown(origin) if origin else None,
    )


def _too_many(path: str) -> PlanError:
    return PlanError(
        f"includes more than {MAX_FILES} files",
        why="Files that include each other without end would never be read through.",
        fix="Merge the requirements into fewer files.",
        file=path,
    )
