"""The Node.js provider: package manager, version, build script, start, static output."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

from buildpacks import caddy
from buildpacks.errors import shown
from buildpacks.node.managers import Installation, find_installation
from buildpacks.node.package import PACKAGE, Package
from buildpacks.node.sites import OUTPUT_DIR, Site, find_site
from buildpacks.node.versions import node_pin
from buildpacks.plan import Phase, Plan
from buildpacks.tree import SourceTree

# as Heroku's buildpack sets it, for the build and for the running app
_VARIABLES = {"NODE_ENV": "production", "NPM_CONFIG_UPDATE_NOTIFIER": "false"}
_DISPLAY = {
    "npm": "{lock} (npm)",
    "pnpm": "{lock} (pnpm)",
    "yarn": "{lock} (Yarn 1)",
    "berry": "{lock} (Yarn)",
    "none": "nowhere: package.json lists none",
}
_STALE = (
    "If it says that the lock file and package.json do not fit: run `{relock}`, commit the lock "
    "file and push again."
)
_OFFLINE = (
    "Scripts of packages run without the network. Where one needs it, let them run in the install "
    "phase, which may reach it, by nixpacks.toml: `[phases.rebuild]` cmds = [] and "
    '`[phases.install]` cmds = ["npm rebuild", "..."].'
)
_BUILD = (
    "Its output above says why. The build has no network and sees no config vars: what it needs, "
    "such as VITE_… variables, goes to `[variables]` of nixpacks.toml."
)
_BUILDS = ("heroku-postbuild", "build")  # Heroku runs the first one that is there
_ENTRIES = ("index.js", "server.js", "index.mjs", "index.cjs")


def is_node(tree: SourceTree) -> bool:
    """Whether the tree looks like a Node.js app."""
    return tree.is_file(PACKAGE)


def plan_node(
    tree: SourceTree,
    variables: Mapping[str, str],
    *,
    default_web: bool,
    processes: Mapping[str, str],
) -> Plan:
    """The plan of a Node.js app.

    Args:
        variables: those of nixpacks.toml.
        default_web: whether to look for a web command; not wanted when the
            app has a Procfile.
        processes: those of the Procfile, whose scripts must be there.

    Raises:
        PlanError: see `versions`, `managers` and `sites`; or nothing says how the app starts.
    """
    package = replace(Package.read(tree), has_server=tree.is_file("server.js"))
    package.check_scripts(processes, "the Procfile")
    installation = find_installation(tree, package)
    pin, warnings = node_pin(tree, package, variables)
    site = find_site(tree, package, variables) if default_web else None
    if "node_modules" in tree.entries:
        warnings += (
            "node_modules is committed and not used: the packages are installed anew. Run "
            "`git rm -r --cached node_modules` and add node_modules/ to .gitignore.",
        )
    made = Plan(
        providers=("node",),
        name="Node.js",
        pins=(pin, *((installation.pin,) if installation.pin is not None else ())),
        phases=_phases(package, installation, pruned=site is None),
        variables=_VARIABLES | installation.variables,
        notes=(_note(installation),),
        warnings=warnings,
    )
    if site is not None:
        return _served(made, site)
    return _started(tree, made, package, installation) if default_web else made


def _note(installation: Installation) -> str:
    lock = installation.files[0] if installation.files else ""
    return f"Dependencies come from {_DISPLAY[installation.manager].format(lock=lock)}"


def _phases(package: Package, installation: Installation, *, pruned: bool) -> tuple[Phase, ...]:
    """setup → fetch → rebuild → install → build, then prune or serve.

    fetch and rebuild see the lock's files alone, so that their result is kept
    and shared; install runs the project's own scripts in the tree.
    """
    files, results = installation.files, installation.results
    phases = [
        Phase("setup"),
        Phase(
            "fetch",
            commands=installation.fetch,
            depends_on=("setup",),
            network=True,
            files=files,
            results=results,
            inert=installation.inert,
            hint=_STALE.format(relock=f"{installation.name} install"),
        ),
        Phase(
            "rebuild",
            commands=installation.rebuild,
            depends_on=("fetch",),
            files=files,
            results=results,
            hint=_OFFLINE,
        ),
        Phase(
            "install",
            commands=tuple(f"npm run {name}" for name in package.lifecycle),
            depends_on=("rebuild",),
            hint=_OFFLINE,
        ),
    ]
    build = next((name for name in _BUILDS if package.scripts.get(name)), None)
    if build is not None:
        phases.append(
            Phase(
                "build",
                commands=(installation.run(build),),
                depends_on=("install",),
                cache_directories=(".next/cache",) if package.depends_on("next") else (),
                hint=_BUILD,
            )
        )
    development = bool(package.development or installation.lock.folders)
    if pruned and development and installation.prune:
        phases.append(Phase("prune", installation.prune, depends_on=("install", "build")))
    return tuple(phases)


def _served(plan: Plan, site: Site) -> Plan:
    """`plan` with a file server for what the build makes, and without what only that needed."""
    hint = (
        f"The build must put the site into {shown(site.folder)}. If it goes elsewhere, say so in "
        f'nixpacks.toml: `[variables]` {OUTPUT_DIR} = "dist"; or start a server of your own with '
        "a Procfile."
    )
    serve = caddy.serving(site.folder, fallback=site.fallback, hint=hint)
    clean = Phase("clean", ("rm -rf node_modules",), depends_on=("serve",))
    return replace(
        plan,
        phases=(*plan.phases, serve, clean),
        processes={"web": caddy.START},
        processes_from=site.framework,
        variables={**plan.variables, **caddy.VARIABLES},
        static_root=site.folder,
        notes=(*plan.notes, f"Serving {shown(site.folder)}, which {site.framework} builds"),
    )


def _started(tree: SourceTree, plan: Plan, package: Package, installation: Installation) -> Plan:
    """`plan` with Railpack's start command."""
    command, source = _start(tree, package, installation)
    return replace(plan, processes={"web": command}, processes_from=source)


def _start(tree: SourceTree, package: Package, installation: Installation) -> tuple[str, str]:
    if package.scripts.get("start"):
        return installation.run("start"), f"scripts.start of {PACKAGE}"
    if package.main is not None:
        return f"node {shlex.quote(package.main)}", f"main of {PACKAGE}"
    for name in _ENTRIES:
        if tree.is_file(name):
            return f"node {name}", name
    if package.depends_on("nuxt"):
        return "node .output/server/index.mjs", "Nuxt"
    raise package.missing_script(
        "start",
        f"Nothing says how the app is started: there is no Procfile, no main in {PACKAGE}, "
        f"none of {', '.join(_ENTRIES)}",
    )
