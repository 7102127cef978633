"""Node.js trees whose build makes a folder of files: what serves them is a file server.

Railpack's heuristics: a framework that builds such a folder, and no `start`
script of the app's own (the development servers that templates name `start`
do not count). NIXPACKS_SPA_OUTPUT_DIR names the folder of any other tool,
NIXPACKS_NO_SPA switches this off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from buildpacks import caddy
from buildpacks.document import read_json
from buildpacks.errors import PlanError
from buildpacks.node.package import PACKAGE, Package
from buildpacks.tree import SourceTree

OUTPUT_DIR, NO_SPA = "NIXPACKS_SPA_OUTPUT_DIR", "NIXPACKS_NO_SPA"
_EXTENSIONS = ("js", "mjs", "cjs", "ts", "mts", "cts")
_OUT_DIR = re.compile(r"""\boutDir['"]?\s{0,20}:\s{0,20}['"]([^'"\n]{1,200})['"]""")
_OUT_DIR_OPTION = re.compile(r"--out[dD]ir[= ]([\w./-]{1,200})")
_ASTRO_SERVER = re.compile(
    r"""\boutput['"]?\s{0,20}:\s{0,20}['"](?:server|hybrid)['"]|\badapter:"""
)
# frameworks that stand on Vite and bring a server of their own
_SERVERS = (
    "@remix-run/dev",
    "@react-router/dev",
    "@solidjs/start",
    "@tanstack/react-start",
    "nuxt",
    "vike",
)
_DEVELOPMENT = re.compile(
    r"(?:vite|ng serve|react-scripts start|react-app-rewired start|craco start|"
    r"astro (?:dev|start|preview)|vue-cli-service serve)\b(?! build)"
)


@dataclass(frozen=True)
class Site:
    """A folder to serve, and whether unknown paths are the app's own to route."""

    framework: str
    folder: str
    fallback: bool = True


def find_site(tree: SourceTree, package: Package, variables: Mapping[str, str]) -> Site | None:
    """The site that the tree's build makes; None when it makes none.

    Raises:
        PlanError: NIXPACKS_SPA_OUTPUT_DIR is no folder of the repository.
    """
    if variables.get(NO_SPA, "0") not in {"", "0", "false"}:
        return None
    if variables.get(OUTPUT_DIR):
        return Site("Static site", _inside(variables[OUTPUT_DIR], OUTPUT_DIR))
    start = package.scripts.get("start")
    if "build" not in package.scripts or (start and not _DEVELOPMENT.match(start)):
        return None
    found = next((site for find in _FRAMEWORKS if (site := find(tree, package))), None)
    if found is None:
        return None
    return Site(found.framework, _inside(found.folder, "the build's configuration"), found.fallback)


def _astro(tree: SourceTree, package: Package) -> Site | None:
    """Astro makes pages, not one page, unless it is told to make a server."""
    if not package.depends_on("astro"):
        return None
    config = _config(tree, "astro.config")
    if _ASTRO_SERVER.search(config):
        return None
    return Site("Astro", _out_dir(config, "dist"), fallback=False)


def _sveltekit(_tree: SourceTree, package: Package) -> Site | None:
    if package.depends_on("@sveltejs/kit") and package.depends_on("@sveltejs/adapter-static"):
        return Site("SvelteKit", "build")
    return None


def _vite(tree: SourceTree, package: Package) -> Site | None:
    others = ("@sveltejs/kit", "astro", *_SERVERS)
    if any(package.depends_on(name) for name in others):
        return None
    build = package.scripts["build"]
    config = _config(tree, "vite.config")
    if "vite build" not in build and not (package.depends_on("vite") and config):
        return None
    option = _OUT_DIR_OPTION.search(build)
    return Site("Vite", option[1] if option is not None else _out_dir(config, "dist"))


def _create_react_app(_tree: SourceTree, package: Package) -> Site | None:
    names = ("react-scripts", "react-app-rewired", "@craco/craco")
    return Site("Create React App", "build") if any(map(package.depends_on, names)) else None


def _vue_cli(_tree: SourceTree, package: Package) -> Site | None:
    return Site("Vue CLI", "dist") if package.depends_on("@vue/cli-service") else None


def _angular(tree: SourceTree, package: Package) -> Site | None:
    """`ng build` of the project that angular.json names first."""
    if not package.depends_on("@angular/core"):
        return None
    document = read_json(tree, "angular.json")
    projects = document.table("projects") if document is not None else None
    if projects is None or not projects.data:
        return None
    name = next(iter(projects))
    build = _dig(projects.data, name, "architect", "build")
    options = _dig(build, "options")
    if not isinstance(options, dict) or "server" in options or options.get("ssr"):
        return None
    path = options.get("outputPath")
    base = path if isinstance(path, str) else _dig(path, "base") or f"dist/{name}"
    modern = ":application" in str(_dig(build, "builder"))
    return Site("Angular", f"{base}/browser" if modern else str(base))


def _dig(value: object, *keys: str) -> object:
    """What lies below `value` at `keys`; None where nothing does."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


_FRAMEWORKS = (_astro, _sveltekit, _vite, _create_react_app, _vue_cli, _angular)


def _config(tree: SourceTree, stem: str) -> str:
    """The configuration file of that name, whatever its extension; "" without one."""
    names = (f"{stem}.{extension}" for extension in _EXTENSIONS)
    return next((tree.glance(name) for name in names if name in tree.entries), "")


def _out_dir(config: str, default: str) -> str:
    match = _OUT_DIR.search(config)
    return match[1] if match is not None else default


def _inside(folder: str, source: str) -> str:
    path = caddy.checked_root(folder, source)
    if path != ".":
        return path
    raise PlanError(
        "The build puts the site into the top of the repository",
        why=f"{source} says so, and what only the build needs would be served with it.",
        fix=f'Name another folder in nixpacks.toml: `[variables]` {OUTPUT_DIR} = "dist".',
        file=PACKAGE,
    )
