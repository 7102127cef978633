"""Phases that see a lock file and its companions alone: their results are kept and shared.

Such a phase runs in a folder that holds these files and nothing else, shown as
/app, with a home folder that is the download cache. Its results (a folder like
node_modules, or one below /deps) are kept under a key made of all that decided
them, and are found again as long as none of it changes. A phase that runs no
code of others is done once for all apps, by the installer's user; any other
runs as the app's user, with a cache of that app, and its result is that app's
alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.builds.builders import steps
from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.environment import network_binds, network_variables
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from apps.builds.builders.store import Store
from buildpacks.plan import Phase
from paas.instance import Instance
from paas.sandbox import (
    INSTALLER,
    Bind,
    Sandbox,
    make_folder,
    remove_tree,
    run_user_command,
    uid_for,
)

APP, DEPS = "/app", "/deps"
HOME = f"{DEPS}/cache"
_BEFORE = f"{DEPS}/before"
_FORMAT = "1"  # changes when the way of making them does: then nothing old is used
_COPY = ("cp", "-R", "--preserve=mode,links,timestamps", "--")


@dataclass(frozen=True)
class Tools:
    """What every command of a build gets; `facts` name all of it that can change a result."""

    binds: tuple[Bind, ...]
    environment: Mapping[str, str]
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """Kept results. `path` holds `app`, the folder the phase ran in, and `deps`.

    What lies in it may be hostile: it is copied by the app's user, inside a
    sandbox, and never by the panel.
    """

    path: Path
    key: str
    files: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def mounts(self) -> list[tuple[Path, str]]:
        """Folders that are shown below /deps, and where."""
        return [(_kept(self.path, name), name) for name in _below_deps(self.results)]


@dataclass(frozen=True)
class Request:
    """One phase of one build: `contents` are those of its files, `before` what it goes on from.

    `title` is shown in the place of the commands, where they are the builder's own.
    """

    job: BuildJob
    phase: Phase
    contents: Mapping[str, bytes]
    before: Layer | None
    tools: Tools
    title: str = ""

    @property
    def key(self) -> str:
        """Equal for equal inputs; of a phase that runs code of others, in this app alone."""
        digest = hashlib.sha256()
        before = self.before.key if self.before is not None else ""
        facts = (_FORMAT, before, *self.tools.facts, *self.phase.results, *self.phase.commands)
        for fact in facts:
            digest.update(fact.encode() + b"\0")
        for name, contents in sorted(self.contents.items()):
            digest.update(f"{name}\0{len(contents)}\0".encode() + contents)
        name = digest.hexdigest()[:40]
        return name if self.phase.inert else f"{name}-{self.job.app_number}"


def read_contents(job: BuildJob, phase: Phase) -> dict[str, bytes]:
    """The files of a phase, read before any command could put links into the tree.

    Raises:
        BuildFailed: one is not a file of the tree.
    """
    top = job.tree.resolve()
    contents = {}
    for name in phase.files:
        path = (top / name).resolve()
        if not (path.is_relative_to(top) and path.is_file()):
            raise BuildFailed(
                f"{name} is not a file of the repository",
                f"The phase {phase.name} needs it.",
                "Commit it as a regular file.",
            )
        contents[name] = path.read_bytes()
    return contents


def make(instance: Instance, request: Request, log: BuildLog, guard: Guard) -> Layer:
    """The results of a phase, made now or found.

    Raises:
        BuildFailed: a command failed.
    """
    store, key, phase = Store(instance), request.key, request.phase
    layer = Layer(store.root / key, key, phase.files, phase.results)
    with store.lock(key, guard):
        if store.find(key) is not None:
            if not request.title:
                what = "dependencies" if phase.network else phase.name
                log.step(f"Using cached {what}")
            return layer
        staging = store.staging(key, None)
        try:
            _Making(instance, request, staging, log, guard).run()
            store.keep(staging, key)
        finally:
            remove_tree(staging)
    return layer


def place(job: BuildJob, layer: Layer, uid: int | None, guard: Guard) -> None:
    """Copy the results that belong into the tree there.

    Raises:
        BuildFailed: the tree has a file in the way, or the disk is full.
    """
    box = Sandbox(
        name=f"build-{job.build_id}",
        binds=(Bind(job.tree, APP, writable=True), Bind(layer.path, _BEFORE)),
        uid=uid,
        limits=steps.LIMITS,
    )
    for folder in layer.results:
        if folder.startswith("/") or not _kept(layer.path, folder).is_dir():
            continue
        if _kept(layer.path, folder).is_symlink():
            raise BuildFailed(
                f"The dependencies made a link of {folder}",
                "It leads to where no dependencies of this app are.",
                "Look for the package whose install script does this, and remove it.",
            )
        _copy(box, f"{_BEFORE}{APP}/{folder}", f"{APP}/{folder}", guard)


class _Making:
    """One run of a phase, in `staging`."""

    def __init__(
        self, instance: Instance, request: Request, staging: Path, log: BuildLog, guard: Guard
    ) -> None:
        self.request, self.staging, self.log, self.guard = request, staging, log, guard
        job, shared = request.job, request.phase.inert
        self.user = uid_for(INSTALLER if shared else job.app_number, instance.home)
        own = instance.cache / "apps" / str(job.app_number)
        self.cache = make_folder((instance.cache if shared else own) / "downloads", self.user)
        self.folders = [APP, *_below_deps(request.phase.results)]

    def run(self) -> None:
        for folder in self.folders:
            make_folder(_kept(self.staging, folder), self.user)
        if self.request.before is None:
            self._write_files()
        else:
            self._go_on_from(self.request.before)
        phase = self.request.phase
        if self.request.title:
            self.log.step(self.request.title)
        for command in phase.commands:
            if not self.request.title:
                self.log.step(f"Running {steps.shown(command)}")
            ended = steps.run(self._box(), run_user_command(command), self.log.program, self.guard)
            if ended.status != 0:
                raise steps.command_failed(phase, command, ended)
        if phase.inert:  # every app's user must be able to read what archives brought along
            readable = ["chmod", "-R", "a+rX", "--", *self.folders]
            steps.run(self._box(), readable, lambda _line: None, self.guard)
        for folder in self.folders:
            _kept(self.staging, folder).chmod(0o755)

    def _write_files(self) -> None:
        """The phase's files, each owned by the user that works with them."""
        top = _kept(self.staging, APP)
        for name, contents in self.request.contents.items():
            path = top
            for part in name.split("/")[:-1]:
                path = make_folder(path / part, self.user)
                path.chmod(0o755)
            _owned(top / name, contents, self.user)

    def _go_on_from(self, before: Layer) -> None:
        box = self._box(Bind(before.path, _BEFORE))
        for folder in self.folders:
            if _kept(before.path, folder).is_dir():
                _copy(box, f"{_BEFORE}{folder}", folder, self.guard)

    def _box(self, *more: Bind) -> Sandbox:
        request = self.request
        network = network_variables() if request.phase.network else {}
        return Sandbox(
            name=f"deps-{request.job.build_id}",
            binds=(
                *(Bind(_kept(self.staging, one), one, writable=True) for one in self.folders),
                Bind(self.cache, HOME, writable=True),
                *request.tools.binds,
                *network_binds(network),
                *more,
            ),
            environment={**request.tools.environment, **network, "HOME": HOME},
            network=request.phase.network,
            uid=self.user,
            tmp_mb=2048,
            limits=steps.LIMITS,
        )


def _copy(box: Sandbox, source: str, target: str, guard: Guard) -> None:
    """Make `target` a copy of the folder `source`, both inside `box`.

    Raises:
        BuildFailed: it could not be done.
    """
    # what is mounted cannot be removed itself
    remove = [] if target == APP or target.startswith(DEPS) else [["rm", "-rf", "--", target]]
    for argv in (*remove, ["mkdir", "-p", "--", target], [*_COPY, f"{source}/.", target]):
        ended = steps.run(box, argv, lambda _line: None, guard)
        if ended.status != 0:
            raise BuildFailed(
                f"The dependencies could not be put into {target}",
                ended.tail[-1] if ended.tail else f"{argv[0]} failed.",
                "See that no file of that name is committed, and that the disk is not full.",
            )


def _kept(layer: Path, folder: str) -> Path:
    """Where a layer keeps `folder`, which is absolute, or relative to the app."""
    absolute = folder if folder.startswith("/") else f"{APP}/{folder}"
    return layer / absolute.removeprefix("/")


def _below_deps(results: Sequence[str]) -> list[str]:
    return [name for name in results if name.startswith(f"{DEPS}/")]


def _owned(path: Path, contents: bytes, user: int | None) -> None:
    path.write_bytes(contents)
    path.chmod(0o644)
    if user is not None:
        os.chown(path, user, user)
