"""A Python app's dependencies: installed once per lock, shared, read-only.

They are a virtual environment in `cache/dependencies/<key>`, made and used at
the fixed path `/deps/python`, so that its scripts name the right interpreter.
What the tree installs of itself lies beside it: see `project`.
It appears by one rename and never changes afterwards.

Two ways to install. With wheels only, no foreign code runs (unpacking a wheel
is uv's work, byte-compiling happens without `site`, hence without .pth files,
and without the cache in reach): so the download cache and the result are
shared by all apps. Where something must be built, its code runs as the app's
user with a cache of that app, and the result is that app's alone. Files are
copied, not linked, from the caches: a link would let a build change what an
older release runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from apps.builds.builders import installer, locks, steps
from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.environment import network_binds, network_variables, tool
from apps.builds.builders.installer import CACHE, INPUTS, PYTHON, TARGET, UV
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Ended, Guard
from apps.builds.builders.store import Store
from apps.builds.builders.toolchains import Interpreter
from buildpacks.plan import PythonDependencies
from buildpacks.python.requirements import split_local
from paas.instance import Instance
from paas.sandbox import (
    INSTALLER,
    Bind,
    Sandbox,
    make_folder,
    remove_tree,
    uid_for,
)

_FORMAT = "2"  # changes when the way of installing does: then nothing old is used
_REQUIRES = "paas-project-requires.txt"
_NEEDS_BUILD = re.compile(
    r"--no-build|only-binary|building .{0,40}disabled|no (?:usable )?wheels|no binary distribution",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Request:
    """What to install for which build; `requires` is what the project's own layer asks for."""

    job: BuildJob
    needs: PythonDependencies
    interpreter: Interpreter
    files: Mapping[str, bytes]
    requires: tuple[str, ...] = ()

    @cached_property
    def translated(self) -> locks.Translated | None:
        """The lock as uv takes it, where uv does not read it itself."""
        return locks.translate(self.needs, self.files)

    @property
    def key(self) -> str:
        """Equal for equal inputs, whichever app they come from."""
        digest = hashlib.sha256()
        facts = [_FORMAT, self.needs.manager, str(self.interpreter.version)]
        for fact in (*facts, str(self.interpreter.path), *self.needs.extra, *self.requires):
            digest.update(fact.encode() + b"\0")
        for name, contents in sorted(self.files.items()):
            digest.update(f"{name}\0{len(contents)}\0".encode() + contents)
        return digest.hexdigest()[:40]

    @property
    def own_key(self) -> str:
        """The key of a result that belongs to this app alone."""
        return f"{self.key}-{self.job.app_number}"


def install(instance: Instance, request: Request, log: BuildLog, guard: Guard) -> Path:
    """The folder with the dependencies, made now or found.

    Raises:
        BuildFailed: they cannot be resolved, downloaded or built.
    """
    store = Store(instance)
    for key in (request.key, request.own_key):
        found = store.find(key)
        if found is not None:
            log.step("Using cached dependencies")
            return found
    log.step(f"Installing dependencies with uv, Python {request.interpreter.version}")
    made = _Shared(instance, request, log, guard).make(store, request.key)
    if made is not None:
        return made
    log.detail("Something must be built from source, so the result is this app's alone")
    made = _Own(instance, request, log, guard).make(store, request.own_key)
    assert made is not None
    return made


def read_inputs(tree: Path, needs: PythonDependencies) -> dict[str, bytes]:
    """The files that decide what is installed; the tree has no links that lead out."""
    return {name: (tree / name).read_bytes() for name in needs.files}


class _Way:
    """One way of installing; see the module."""

    flags: tuple[str, ...] = ()

    def __init__(self, instance: Instance, request: Request, log: BuildLog, guard: Guard) -> None:
        self.instance, self.request, self.log, self.guard = instance, request, log, guard

    @property
    def user(self) -> int | None:
        raise NotImplementedError

    @property
    def cache(self) -> Path:
        raise NotImplementedError

    def run(self, box: Sandbox, argv: list[str]) -> bool:
        """Whether `argv` succeeded; False sends the request another way.

        Raises:
            BuildFailed: it failed for good.
        """
        said: list[str] = []

        def emit(line: str) -> None:
            said.append(line)
            self.log.program(line)

        ended = steps.run(box, argv, emit, self.guard)
        if ended.status != 0:
            raise _failure(self.request, ended, said)
        return True

    def make(self, store: Store, key: str) -> Path | None:
        """The finished environment; None when another way is needed."""
        with store.lock(key, self.guard):
            found = store.find(key)
            if found is not None:
                return found
            staging = store.staging(key, self.user)
            inputs = make_folder(staging.with_name(staging.name + ".in"), None)
            try:
                if not self._fill(staging, inputs):
                    return None
                return store.keep(staging, key)
            finally:
                remove_tree(staging)
                remove_tree(inputs)

    def _fill(self, staging: Path, inputs: Path) -> bool:
        _write_inputs(self.request, inputs)
        make_folder(self.cache, self.user)
        for argv in _commands(self.request, self.flags):
            if not self.run(self._box(staging, inputs), argv):
                return False
        self._compile(staging)
        return True

    def _box(self, staging: Path, inputs: Path) -> Sandbox:
        variables = network_variables()
        request = self.request
        return Sandbox(
            name=f"deps-{request.job.build_id}",
            binds=(
                Bind(staging, TARGET, writable=True),
                Bind(self.cache, CACHE, writable=True),
                Bind(inputs, INPUTS),
                *request.interpreter.binds,
                *network_binds(variables),
                tool("uv"),
            ),
            cwd=INPUTS,
            environment=installer.variables(request.interpreter) | variables,
            network=True,
            uid=self.user,
            tmp_mb=2048,
            limits=steps.LIMITS,
        )

    def _compile(self, staging: Path) -> None:
        """Byte-compile once here, not at each start of each process."""
        box = Sandbox(
            name=f"deps-{self.request.job.build_id}",
            binds=(
                Bind(staging, TARGET, writable=True),
                *self.request.interpreter.binds,
            ),
            cwd="/",
            uid=self.user,
            limits=steps.LIMITS,
        )
        python = str(self.request.interpreter.path)
        argv = [python, "-I", "-S", "-m", "compileall", "-q", "-j", "0", f"{TARGET}/lib"]
        steps.run(box, argv, _ignore, self.guard)  # packages ship templates that do not compile


class _Shared(_Way):
    flags = ("--no-build",)

    @property
    def user(self) -> int | None:
        return uid_for(INSTALLER, self.instance.home)

    @property
    def cache(self) -> Path:
        return self.instance.cache / "uv"

    def run(self, box: Sandbox, argv: list[str]) -> bool:
        held: list[str] = []  # a complaint that there is no wheel is none of the user's business
        ended = steps.run(box, argv, held.append, self.guard)
        if ended.status != 0 and _NEEDS_BUILD.search("\n".join(ended.tail)):
            return False
        for line in held:
            self.log.program(line)
        if ended.status != 0:
            raise _failure(self.request, ended, held)
        return True


class _Own(_Way):
    @property
    def user(self) -> int | None:
        return uid_for(self.request.job.app_number, self.instance.home)

    @property
    def cache(self) -> Path:
        return self.instance.cache / "apps" / str(self.request.job.app_number) / "uv"


def _write_inputs(request: Request, folder: Path) -> None:
    """The deciding files alone: the sandbox does not see the app."""
    folder.chmod(0o755)
    for name, contents in request.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if request.needs.manager == "requirements":
            contents = split_local(contents.decode(errors="replace"))[0].encode()
        path.write_bytes(contents)
    if request.translated is not None:
        (folder / locks.TRANSLATED).write_text(request.translated.requirements)
        (folder / locks.CONSTRAINTS).write_text(request.translated.constraints)
    (folder / _REQUIRES).write_text("".join(f"{line}\n" for line in request.requires))
    for path in folder.rglob("*"):  # the panel's umask keeps its files to itself
        path.chmod(0o755 if path.is_dir() else 0o644)


def _commands(request: Request, flags: tuple[str, ...]) -> Iterator[list[str]]:
    yield from installer.venv(request.interpreter)
    if request.needs.manager == "uv":
        yield [UV, "sync", "--frozen", "--no-default-groups", "--no-install-local", *flags]
    elif wanted := _wanted(request):
        yield [UV, "pip", "install", "--python", PYTHON, *flags, *wanted]
    if request.needs.extra:
        yield [UV, "pip", "install", "--python", PYTHON, *flags, "--", *request.needs.extra]


def _wanted(request: Request) -> list[str]:
    """What `uv pip install` takes; nothing for a tree without dependencies."""
    wanted = ["-r", f"{INPUTS}/{_REQUIRES}"] if request.requires else []
    needs, translated = request.needs, request.translated
    if needs.manager == "requirements":
        wanted += ["-r", f"{INPUTS}/{needs.files[0]}"]
    elif needs.manager == "pyproject" and locks.static_pyproject(request.files):
        wanted += ["-r", f"{INPUTS}/pyproject.toml"]
    elif translated is not None:
        wanted += ["--no-deps"] if translated.exact else []
        wanted += ["-r", f"{INPUTS}/{locks.TRANSLATED}"]
        wanted += ["-c", f"{INPUTS}/{locks.CONSTRAINTS}"] if translated.constraints else []
    return wanted


def _failure(request: Request, ended: Ended, said: list[str]) -> BuildFailed:
    named = request.needs.files[0] if request.needs.files else "the dependencies"
    return installer.failure(named, request.interpreter, ended, said)


def _ignore(_line: str) -> None:
    """Output nobody needs."""
