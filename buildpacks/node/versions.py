"""Which Node.js a tree asks for.

Nixpacks' order: NIXPACKS_NODE_VERSION, `engines.node`, .nvmrc, .node-version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildpacks.errors import PlanError, shown
from buildpacks.node.package import PACKAGE, Package
from buildpacks.plan import Pin
from buildpacks.ranges import parse_range
from buildpacks.tree import SourceTree

_HOW = 'Write a version such as 20 or 20.11.1, or a range such as ">=20" in engines.node.'
_NEWEST = frozenset({"", "node", "latest", "current", "stable", "lts", "lts/*", "*", "x"})
# the names nvm gives to lines with long-term support, by Node.js' release schedule
_LTS = {
    "argon": 4,
    "boron": 6,
    "carbon": 8,
    "dubnium": 10,
    "erbium": 12,
    "fermium": 14,
    "gallium": 16,
    "hydrogen": 18,
    "iron": 20,
    "jod": 22,
    "krypton": 24,
}


def node_pin(
    tree: SourceTree, package: Package, variables: Mapping[str, str]
) -> tuple[Pin, tuple[str, ...]]:
    """The version that counts, and warnings.

    Raises:
        PlanError: what asks for it is no version.
    """
    for asked, source in _asked(tree, package, variables):
        return Pin("node", _range(asked, source), source), ()
    warning = (
        "No Node.js version was specified, so the newest one here is used and may change. "
        f'Add to {PACKAGE}, for example: "engines": {{"node": "20.x"}}.'
    )
    return Pin("node", "", "default"), (warning,)


def _asked(
    tree: SourceTree, package: Package, variables: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What is asked for and where, the first one deciding."""
    if "NIXPACKS_NODE_VERSION" in variables:
        yield variables["NIXPACKS_NODE_VERSION"], "NIXPACKS_NODE_VERSION"
    if package.engine is not None:
        yield package.engine, f"engines.node of {PACKAGE}"
    for file in (".nvmrc", ".node-version"):
        text = tree.read(file)
        if text is not None:
            yield _first_line(text), file


def _first_line(text: str) -> str:
    lines = (line.split("#")[0].strip() for line in text.split("\n"))
    return next((line for line in lines if line), "")


def _range(asked: str, source: str) -> str:
    text = asked.strip()
    name = text.lower().removeprefix("lts/").removeprefix("lts-")
    if text.lower() in _NEWEST:
        return ""
    if name in _LTS:
        return f"{_LTS[name]}.x"
    try:
        parse_range(text)
    except ValueError:
        raise PlanError(
            f'"{shown(asked)}" in {source} is not a Node.js version',
            why="It must be a version or a range as npm writes them.",
            fix=_HOW,
        ) from None
    return text
