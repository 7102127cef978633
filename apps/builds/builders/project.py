"""What a tree installs of itself: a thin layer per build, over the shared dependencies.

The project itself, members of its workspace and packages at paths in the tree
change with each push, their dependencies seldom. So they go into a prefix of
their own, `/deps/project`, without dependencies. Its scripts start the
environment's Python, which reads the layer as a site folder: imports, metadata
and entry points are found. The code of the build backends is the app's, so it
runs as the app's user with the app's cache.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from apps.builds.builders import artifact, installer, locks, steps
from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.environment import network_binds, network_variables, tool
from apps.builds.builders.installer import CACHE, INPUTS, PROJECT, PYTHON, TARGET, UV
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Ended, Guard
from apps.builds.builders.store import Store
from apps.builds.builders.toolchains import Interpreter
from buildpacks.plan import PythonDependencies
from buildpacks.python.requirements import extras_of, split_local
from paas.instance import Instance
from paas.sandbox import (
    Bind,
    Overlay,
    Sandbox,
    make_folder,
    remove_tree,
    uid_for,
)

_LIST = "paas-project.txt"
_EXPORT = f"{TARGET}/{_LIST}"  # the environment of this step is thrown away


@dataclass(frozen=True)
class Layer:
    """The prefix for `/deps/project`, and what the packages in it ask for besides a lock."""

    path: Path
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """What to install for which build."""

    build: BuildJob
    needs: PythonDependencies
    interpreter: Interpreter
    files: Mapping[str, bytes]

    @property
    def site(self) -> str:
        return f"{PROJECT}/lib/python{self.interpreter.minor}/site-packages"

    @property
    def lines(self) -> list[str]:
        """The lines of pip's requirements format that name paths in the tree.

        Raises:
            BuildFailed: they cannot be told apart from packages of an index.
        """
        top = ["."] if self.needs.package else []
        if self.needs.manager == "requirements":
            return [line for name in self.needs.files for line in self._local(name)]
        if self.needs.manager == "pyproject":
            return [".", *_source_paths(self.files)] if self.needs.project else []
        translated = locks.translate(self.needs, self.files)
        return [*top, *(translated.local if translated is not None else ())]

    def _local(self, name: str) -> list[str]:
        return split_local(self.files[name].decode(errors="replace"))[1]

    @property
    def needed(self) -> bool:
        """Whether anything of the tree is to be installed; uv's lock is read by uv alone."""
        return self.needs.project if self.needs.manager == "uv" else bool(self.lines)

    @property
    def asks(self) -> bool:
        """Whether the dependencies stand in the packages' metadata alone, in no file."""
        if self.needs.manager == "pyproject":
            return not locks.static_pyproject(self.files)
        return self.needs.manager == "requirements"


def install(instance: Instance, job: Job, log: BuildLog, guard: Guard) -> Layer:
    """The layer of this build.

    Raises:
        BuildFailed: a package of the tree cannot be built.
    """
    log.step("Installing the project itself")
    store, key = Store(instance), f"project-{job.build.build_id}"
    with store.lock(key, guard):
        staging = store.staging(key, uid_for(job.build.app_number, instance.home))
        scratch = staging.with_name(f"{staging.name}.in")
        try:
            made = _Installation(instance, job, staging, scratch, log, guard)
            requires = made.fill()
            name = artifact.digest(staging, ()).removeprefix("sha256:")[:40]
            key = f"{name}-{job.build.app_number}"
            return Layer(store.find(key) or store.keep(staging, key), requires)
        finally:
            remove_tree(staging)
            remove_tree(scratch)


class _Installation:
    """One run: `staging` becomes the layer, `scratch` is thrown away."""

    def __init__(
        self,
        instance: Instance,
        job: Job,
        staging: Path,
        scratch: Path,
        log: BuildLog,
        guard: Guard,
    ) -> None:
        self.job, self.staging, self.log, self.guard = job, staging, log, guard
        self.user = uid_for(job.build.app_number, instance.home)
        self.inputs = make_folder(scratch / "inputs", None)
        self.environment = make_folder(scratch / "python", self.user)
        self.scratch = make_folder(scratch / "tree", None)
        self.cache = make_folder(
            instance.cache / "apps" / str(job.build.app_number) / "uv", self.user
        )
        self.inputs.chmod(0o755)

    def fill(self) -> tuple[str, ...]:
        """Install; returns what must be installed besides."""
        for argv in installer.venv(self.job.interpreter):
            self._run(argv)
        if self.job.needs.manager == "uv":
            self._run([*_UV_EXPORT, "--output-file", _EXPORT])
        listed = self._listed()
        pip = [UV, "pip", "install", "--python", PYTHON, "--prefix", PROJECT, "--no-deps"]
        self._run([*pip, "-r", listed])
        python = [str(self.job.interpreter.path), "-I", "-S"]
        self._run([*python, "-m", "compileall", "-q", f"{PROJECT}/lib"], forgiving=True)
        return self._requires(python) if self.job.asks else ()

    def _listed(self) -> str:
        if self.job.needs.manager == "uv":
            return _EXPORT
        path = self.inputs / _LIST
        path.write_text("".join(f"{line}\n" for line in self.job.lines))
        path.chmod(0o644)
        return f"{INPUTS}/{_LIST}"

    def _requires(self, python: list[str]) -> tuple[str, ...]:
        held: list[str] = []
        self._run([*python, "-c", installer.metadata_script(self.job.site)], held)
        try:
            found = installer.parse_metadata(held)
            return tuple(_wanted(found, extras_of(self.job.lines), self.job.interpreter))
        except (ValueError, InvalidRequirement) as error:
            raise BuildFailed(
                "The dependencies of the project could not be read",
                f"Its metadata is not what the packaging standards say ({error}).",
                "Correct the list of dependencies in pyproject.toml or setup.py.",
            ) from None

    def _run(
        self, argv: list[str], held: list[str] | None = None, *, forgiving: bool = False
    ) -> None:
        said: list[str] = []

        def emit(line: str) -> None:
            said.append(line)
            if held is None and not forgiving:
                self.log.program(line)

        ended = steps.run(self._box(), argv, emit, self.guard)
        if held is not None:
            held += said
        if ended.status != 0 and not forgiving:
            raise _failure(self.job, ended, said)

    def _box(self) -> Sandbox:
        network = network_variables()
        return Sandbox(
            name=f"deps-{self.job.build.build_id}",
            binds=(
                Bind(self.environment, TARGET, writable=True),
                Bind(self.staging, PROJECT, writable=True),
                Bind(self.cache, CACHE, writable=True),
                Bind(self.inputs, INPUTS),
                *self.job.interpreter.binds,
                *network_binds(network),
                tool("uv"),
            ),
            overlay=Overlay(self.job.build.tree, self.scratch, "/app"),
            environment=installer.variables(self.job.interpreter) | network,
            network=True,
            uid=self.user,
            tmp_mb=2048,
            limits=steps.LIMITS,
        )


_UV_EXPORT = (
    UV,
    "export",
    "--quiet",
    "--frozen",
    "--no-default-groups",
    "--no-editable",
    "--only-emit-local",
)


def _source_paths(files: Mapping[str, bytes]) -> list[str]:
    """Paths that `tool.uv.sources` of a pyproject.toml without a lock names.

    Raises:
        BuildFailed: a source is a member of a workspace, which only a lock can find.
    """
    document: dict[str, Any] = tomllib.loads(files["pyproject.toml"].decode())
    sources = document.get("tool", {}).get("uv", {}).get("sources", {})
    listed = [one for one in sources.values() if isinstance(one, dict)]
    if any("workspace" in one for one in listed):
        raise BuildFailed(
            "A workspace cannot be installed without its lock",
            "pyproject.toml takes a dependency from the workspace, and there is no uv.lock.",
            "Run `uv lock` and commit uv.lock.",
        )
    return [locks.path_line(str(one["path"])) for one in listed if "path" in one]


def _wanted(
    found: Mapping[str, list[str]], extras: frozenset[str], interpreter: Interpreter
) -> list[str]:
    """Requirements of the packages in the layer that this Python has to install.

    Extras that a line of the tree asks for count for all of its packages.
    """
    own = {canonicalize_name(name) for name in found}
    wanted = set()
    for text in (text for requires in found.values() for text in requires):
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) in own:
            continue
        if _applies(requirement, extras, interpreter):
            requirement.marker = None
            wanted.add(str(requirement))
    return sorted(wanted)


def _applies(requirement: Requirement, extras: frozenset[str], interpreter: Interpreter) -> bool:
    if requirement.marker is None:
        return True
    version = {
        "python_version": interpreter.minor,
        "python_full_version": str(interpreter.version),
    }
    return any(requirement.marker.evaluate({**version, "extra": one}) for one in ("", *extras))


def _failure(job: Job, ended: Ended, said: list[str]) -> BuildFailed:
    if ended.out_of_memory:
        return installer.failure("the project", job.interpreter, ended, said)
    shown = "\n".join([line for line in said if line.strip()][-8:])
    switch = {
        "uv": "[tool.uv] package = false",
        "poetry": "[tool.poetry] package-mode = false",
        "pdm": "[tool.pdm] distribution = false",
    }.get(job.needs.manager)
    hint = f" If the app is no package, say so in pyproject.toml: `{switch}`." if switch else ""
    return BuildFailed(
        "The project itself could not be installed",
        f"uv says: {shown}",
        f"Make it work with `uv pip install .` on your machine, commit and push again.{hint}",
    )
