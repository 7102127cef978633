"""Static sites: a folder that a file server serves.

The root is `NIXPACKS_STATICFILE_ROOT`, else the `root` of the Staticfile,
else the first of public, dist, index and the top that has an index.html
(Nixpacks' order).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from buildpacks import caddy
from buildpacks.errors import shown
from buildpacks.plan import Phase, Plan
from buildpacks.tree import SourceTree

STATICFILE = "Staticfile"
_FOLDERS = ("public", "dist", "index")
_KEY = re.compile(r"(?P<key>[\w-]+)\s*:\s*(?P<value>.*)")


def is_static(tree: SourceTree) -> bool:
    """Whether the tree looks like a static site."""
    return (
        tree.is_file(STATICFILE)
        or tree.is_file("index.html")
        or any(tree.is_dir(folder) for folder in _FOLDERS)
    )


def plan_static(tree: SourceTree, variables: Mapping[str, str]) -> Plan:
    """The plan of a static site.

    Args:
        variables: those of nixpacks.toml.

    Raises:
        PlanError: the root is not a path inside the repository.
    """
    root, warnings = _root(tree, variables)
    folder = root if root == "." else f"./{root}"
    served = shlex.quote(folder.replace("{", "\\{"))  # a brace begins a placeholder of Caddy's
    hidden = Phase(
        "clean",
        commands=(caddy.remove_hidden(folder),),
        depends_on=("build",),
        hint=f"The folder to serve, {shown(root)}, must be there when the build is done.",
    )
    return Plan(
        providers=("static",),
        name="Static site",
        phases=(hidden,),
        processes={"web": f"caddy file-server --listen :$PORT --root {served}"},
        processes_from="static site",
        variables={"XDG_DATA_HOME": caddy.VARIABLES["XDG_DATA_HOME"]},
        static_root=root,
        notes=(f"Serving {'the top folder' if root == '.' else shown(root)}",),
        warnings=warnings,
    )


def _root(tree: SourceTree, variables: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    asked, warnings = _staticfile(tree)
    if "NIXPACKS_STATICFILE_ROOT" in variables:
        asked = (variables["NIXPACKS_STATICFILE_ROOT"], "NIXPACKS_STATICFILE_ROOT")
    if asked is not None:
        return caddy.checked_root(asked[0], asked[1]), warnings
    for folder in _FOLDERS:
        if tree.is_file(f"{folder}/index.html"):
            return folder, warnings
    if tree.is_file("index.html"):
        return ".", warnings
    return next((folder for folder in _FOLDERS if tree.is_dir(folder)), "."), warnings


def _staticfile(tree: SourceTree) -> tuple[tuple[str, str] | None, tuple[str, ...]]:
    """The root the Staticfile asks for with its origin, and warnings about the other keys."""
    root, ignored = None, []
    for line in (tree.read(STATICFILE) or "").split("\n"):
        match = _KEY.match(line.split(" #")[0].strip())
        if match is None:
            continue
        if match["key"] == "root":
            root = (match["value"].strip().strip("\"'"), STATICFILE)
        else:
            ignored.append(f"{shown(match['key'])} in {STATICFILE} is ignored: only root is known")
    return root, tuple(ignored)
