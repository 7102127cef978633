"""Which package manager installs the dependencies of a Node.js tree, and with which commands.

`packageManager` of package.json and the lock file decide together. The
dependencies come in by two steps that see nothing but the lock and its
companions: `fetch` has the network and runs no script, `rebuild` runs the
scripts of the packages and has no network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from buildpacks.errors import PlanError, shown
from buildpacks.node.locks import (
    Lock,
    read_berry_lock,
    read_npm_lock,
    read_pnpm_lock,
    read_yarn_lock,
)
from buildpacks.node.package import PACKAGE, Package
from buildpacks.plan import Pin
from buildpacks.tree import MAX_LOCK, SourceTree

_LOCKS = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
# files that change what a manager does, and may make it run code of the tree
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "pnpm-workspace.yaml")
# those that check by the lock all that they take from a cache which apps share
_SHARED = frozenset({"npm", "pnpm"})
_YARN_PATH = re.compile(r"^yarnPath: [\"']?(\.?/?\.yarn/[\w./-]{1,200}\.c?js)[\"']?$", re.MULTILINE)
# node_modules remembers where pnpm's store was, and can be pruned only if it is still there
_STORE = "--config.store-dir=/app/.pnpm-store"
_FETCH = {
    "npm": "npm ci --ignore-scripts --include=dev --no-audit --no-fund",
    "pnpm": "pnpm install --frozen-lockfile --ignore-scripts --prod=false "
    f"--config.package-import-method=copy --reporter=append-only {_STORE} && rm -rf .pnpm-store",
    "yarn": "YARN_IGNORE_PATH=1 yarn install --frozen-lockfile --ignore-scripts --non-interactive "
    "--production=false --no-progress",
    "berry": "{yarn} install --immutable --mode=skip-build",
}
_NO_SCRIPTS = "npm pkg delete scripts"  # the project's own come later, with all of its files
_PNPM_PRUNE = f"CI=true pnpm prune --prod --ignore-scripts {_STORE} && rm -rf .pnpm-store"
_NPM_PRUNE = "npm prune --omit=dev --ignore-scripts --offline --no-audit --no-fund"
_RELOCK = {"npm": "npm install", "pnpm": "pnpm install", "yarn": "yarn install"}


@dataclass(frozen=True)
class Installation:
    """How the dependencies get in.

    `manager` is npm, pnpm, yarn (1), berry (Yarn 2 and newer) or "none";
    `files` are the lock and its companions; `pin` the version of the manager
    where it is not npm, which comes with Node.js.
    """

    manager: str
    files: tuple[str, ...] = ()
    lock: Lock = field(default_factory=Lock)
    pin: Pin | None = None
    inert: bool = False
    yarn: str = "yarn"

    @property
    def name(self) -> str:
        """The command's name."""
        return {"berry": "yarn", "none": "npm"}.get(self.manager, self.manager)

    @property
    def variables(self) -> dict[str, str]:
        """What the manager must be told in the build and in the running app alike."""
        if self.manager == "berry":
            return {"YARN_NODE_LINKER": "node-modules", "YARN_ENABLE_TELEMETRY": "0"}
        return {}

    @property
    def fetch(self) -> tuple[str, ...]:
        command = _FETCH.get(self.manager)
        return (command.format(yarn=self.yarn),) if command else ()

    @property
    def rebuild(self) -> tuple[str, ...]:
        """The commands that run the packages' own scripts."""
        if self.manager == "none" or not self.lock.scripts:
            return ()
        if self.manager == "pnpm":
            return (_NO_SCRIPTS, f"pnpm rebuild --reporter=append-only {_STORE}")
        everywhere = " --workspaces --include-workspace-root" if self.lock.folders else ""
        return (_NO_SCRIPTS + everywhere, "npm rebuild --foreground-scripts")

    @property
    def prune(self) -> tuple[str, ...]:
        """What removes the development dependencies; only npm can do so in a workspace."""
        if self.manager == "none" or (self.lock.folders and self.manager != "npm"):
            return ()
        if self.manager == "pnpm":
            return (_PNPM_PRUNE,)
        # Yarn would need the network; npm prunes its folder too, by package.json
        return (_NPM_PRUNE if self.manager == "npm" else f"{_NPM_PRUNE} --no-package-lock",)

    @property
    def results(self) -> tuple[str, ...]:
        """The folders that hold the installed packages; Yarn's own says that it did its work."""
        members = (f"{folder}/node_modules" for folder in self.lock.folders)
        return ("node_modules", *members, *((".yarn",) if self.manager == "berry" else ()))

    def run(self, script: str) -> str:
        """The command that runs a script of package.json."""
        yarn = self.yarn if self.manager == "berry" else self.name
        return f"{yarn} start" if script == "start" else f"{yarn} run {script}"


def find_installation(tree: SourceTree, package: Package) -> Installation:
    """Decides the manager and reads its lock.

    Raises:
        PlanError: no lock or several, or one that contradicts package.json.
    """
    lock = _lock_file(tree, package)
    if lock is None:
        return Installation("none")
    found = _READERS[_LOCKS[lock]](tree, lock, package)
    settings = tuple(name for name in _SETTINGS if tree.is_file(name))
    members = tuple(
        f"{folder}/{PACKAGE}"
        for folder in found.lock.folders
        if tree.is_file(f"{folder}/{PACKAGE}")
    )
    harmless = not settings and not found.lock.foreign
    return replace(
        found,
        files=(lock, PACKAGE, *settings, *members, *found.lock.files, *found.files),
        inert=harmless and found.manager in _SHARED,
    )


def _lock_file(tree: SourceTree, package: Package) -> str | None:
    """The lock that decides; None for a tree without dependencies."""
    found = [name for name in _LOCKS if tree.is_file(name)]
    named = package.manager["name"] if package.manager is not None else None
    if named == "bun" or (found and all(_LOCKS[name] == "bun" for name in found)):
        raise PlanError(
            "Bun is not supported",
            why="Only npm, pnpm and Yarn install packages here.",
            fix="Run `npm install`, commit package-lock.json and delete Bun's lock file.",
            file=found[0] if found else PACKAGE,
        )
    if named is not None and found:
        found = [name for name in found if _LOCKS[name] == named] or _contradiction(named, found)
    if len({_LOCKS[name] for name in found}) > 1:
        raise _several(found)
    if found:
        return found[-1]  # npm-shrinkwrap.json goes before package-lock.json (npm's rule)
    if package.dependencies or package.development or package.workspaces:
        raise _no_lock(named or "npm")
    return None


def _npm(tree: SourceTree, lock: str, package: Package) -> Installation:
    return Installation("npm", lock=read_npm_lock(tree, lock, package))


def _pnpm(tree: SourceTree, lock: str, package: Package) -> Installation:
    found, major = read_pnpm_lock(tree, tree.read(lock, MAX_LOCK) or "")
    pin = _pin(package) or Pin("pnpm", major and f"{major}.x", lock)
    return Installation("pnpm", lock=found, pin=pin)


def _yarn(tree: SourceTree, lock: str, package: Package) -> Installation:
    text = tree.read(lock, MAX_LOCK) or ""
    pin = _pin(package)
    if "\n__metadata:\n" not in text[:1000]:
        if pin is not None and not pin.spec.startswith("1."):
            raise PlanError(
                f"written by Yarn 1, but {PACKAGE} asks for Yarn {shown(pin.spec.split('+')[0])}",
                why="Newer versions of Yarn write another format.",
                fix="Run `yarn install` with that version and commit yarn.lock.",
                file=lock,
            )
        found = read_yarn_lock(tree, text, package)
        return Installation("yarn", lock=found, pin=pin or Pin("yarn", "1.x", lock))
    path = _YARN_PATH.search(tree.read(".yarnrc.yml") or "")
    if path is not None:
        file = path[1].removeprefix("./")
        if ".." in file.split("/") or not tree.is_file(file):
            raise PlanError(
                f"yarnPath names {shown(file)}, which is not in the repository",
                why="That file is the Yarn that is to install the packages.",
                fix="Commit it (`git add -f`), or name the version as packageManager in "
                f"{PACKAGE} and remove yarnPath.",
                file=".yarnrc.yml",
            )
        return Installation("berry", (file,), read_berry_lock(tree, text), yarn=f"node {file}")
    pin = pin or Pin("yarn", "4.x", lock)
    return Installation("berry", lock=read_berry_lock(tree, text), pin=pin)


_READERS = {"npm": _npm, "pnpm": _pnpm, "yarn": _yarn}


def _pin(package: Package) -> Pin | None:
    match = package.manager
    if match is None:
        return None
    proof = f"+{match['proof']}" if match["proof"] else ""
    return Pin(match["name"], match["version"] + proof, f"packageManager of {PACKAGE}")


def _contradiction(named: str, found: list[str]) -> list[str]:
    raise PlanError(
        f"packageManager is {named}, but the lock file is {', '.join(found)}",
        why="The lock of another package manager does not say what is to be installed.",
        fix=f"Run `{_RELOCK[named]}`, commit its lock file and delete the other one; "
        "or correct packageManager.",
        file=PACKAGE,
    )


def _several(found: list[str]) -> PlanError:
    return PlanError(
        f"The lock files of several package managers were found: {', '.join(found)}",
        why="They may list different versions, and it is not clear which of them count.",
        fix="Keep the one of the package manager you use: `git rm` the others and commit. "
        f"Or name it in {PACKAGE} as packageManager.",
    )


def _no_lock(manager: str) -> PlanError:
    lock = next(name for name, one in _LOCKS.items() if one == manager)
    return PlanError(
        f"There is no lock file for the dependencies of {PACKAGE}",
        why="Without one every build may install other versions.",
        fix=f"Run `{_RELOCK[manager]}` and commit {lock} (see that .gitignore does not name it).",
        file=PACKAGE,
    )
