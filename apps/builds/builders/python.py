"""A Python app's dependencies: installed once per lock, shared, read-only.

They are a virtual environment in `cache/dependencies/<key>`, made and used at
the fixed path `/deps/python`, so that its scripts name the right interpreter.
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

import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from apps.builds.builders import locks, steps
from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.environment import TOOLS, network_binds, network_variables, tool
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Ended, Guard
from apps.builds.builders.toolchains import Interpreter
from buildpacks.plan import PythonDependencies
from paas.instance import Instance
from paas.sandbox import (
    INSTALLER,
    Bind,
    Overlay,
    Sandbox,
    interpreter_binds,
    make_folder,
    remove_tree,
    uid_for,
)

TARGET = "/deps/python"
_FORMAT = "1"  # changes when the way of installing does: then nothing old is used
_INPUTS = "/deps/source"
_CACHE = "/deps/cache"
_PYTHON = f"{TARGET}/bin/python"
_NEEDS_BUILD = re.compile(
    r"--no-build|only-binary|building .{0,40}disabled|no (?:usable )?wheels|no binary distribution",
    re.IGNORECASE,
)
_SHOWN = 12  # lines of uv's message repeated in the error


@dataclass(frozen=True)
class Request:
    """What to install for which build."""

    job: BuildJob
    needs: PythonDependencies
    interpreter: Interpreter
    files: dict[str, bytes]

    @cached_property
    def translated(self) -> locks.Translated | None:
        """The lock as uv takes it, where uv does not read it itself."""
        return locks.translate(self.needs, self.files)

    @property
    def key(self) -> str:
        """Equal for equal inputs, whichever app they come from."""
        digest = hashlib.sha256()
        facts = [_FORMAT, self.needs.manager, str(self.interpreter.version)]
        for fact in (*facts, str(self.interpreter.path), *self.needs.extra):
            digest.update(fact.encode() + b"\0")
        for name, contents in sorted(self.files.items()):
            digest.update(f"{name}\0{len(contents)}\0".encode() + contents)
        return digest.hexdigest()[:40]

    @property
    def own_key(self) -> str:
        """The key of a result that belongs to this app alone; of this tree, if it is installed."""
        tree = self.job.commit if self.needs.project else ""
        return f"{self.key}-{self.job.app_number}" + (f"-{tree[:12]}" if tree else "")


def install(instance: Instance, request: Request, log: BuildLog, guard: Guard) -> Path:
    """The folder with the dependencies, made now or found.

    Raises:
        BuildFailed: they cannot be resolved, downloaded or built.
    """
    store = Store(instance.cache / "dependencies")
    keys = [request.own_key] if request.needs.project else [request.key, request.own_key]
    for key in keys:
        found = store.find(key)
        if found is not None:
            log.step("Using cached dependencies")
            return found
    log.step(f"Installing dependencies with uv, Python {request.interpreter.version}")
    if not request.needs.project:
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


class Store:
    """Finished environments by key. What is there is whole and never changes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: str) -> Path | None:
        path = self.root / key
        if not path.is_dir():
            return None
        os.utime(path)  # whoever cleans up sees when it was last used
        return path

    @contextmanager
    def lock(self, key: str, guard: Guard) -> Iterator[None]:
        """Hold `key`: of two builds that want the same, one makes it, the other waits."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / f".{key}.lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    guard.check()
                    time.sleep(0.05)
            for corpse in self.root.glob(f".{key}.new-*"):  # of a builder that was killed
                remove_tree(corpse)
            yield

    def staging(self, key: str, uid: int | None) -> Path:
        return make_folder(self.root / f".{key}.new-{secrets.token_hex(4)}", uid)

    def keep(self, staging: Path, key: str) -> Path:
        staging.chmod(0o755)  # whatever uid an app has, it may read what it shares
        staging.chmod(0o755)  # every app's user may read it; the folder above is closed
        return staging.rename(self.root / key)


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
        ended = steps.run(box, argv, self.log.program, self.guard)
        if ended.status != 0:
            raise _failure(self.request, ended)
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
        overlay = None
        if request.needs.project:
            overlay = Overlay(request.job.tree, make_folder(inputs / ".scratch", None), "/app")
        return Sandbox(
            name=f"deps-{request.job.build_id}",
            binds=(
                Bind(staging, TARGET, writable=True),
                Bind(self.cache, _CACHE, writable=True),
                Bind(inputs, _INPUTS),
                *interpreter_binds(request.interpreter.prefix),
                *network_binds(variables),
                tool("uv"),
            ),
            overlay=overlay,
            cwd="/app" if overlay else _INPUTS,
            environment=_variables(request) | variables,
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
                *interpreter_binds(self.request.interpreter.prefix),
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
            raise _failure(self.request, ended)
        return True


class _Own(_Way):
    @property
    def user(self) -> int | None:
        return uid_for(self.request.job.app_number, self.instance.home)

    @property
    def cache(self) -> Path:
        return self.instance.cache / "apps" / str(self.request.job.app_number) / "uv"


def _write_inputs(request: Request, folder: Path) -> None:
    """The deciding files alone, for a sandbox that does not see the app."""
    folder.chmod(0o755)
    for name, contents in request.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    if request.translated is not None:
        (folder / locks.TRANSLATED).write_text(request.translated.requirements)
        (folder / locks.CONSTRAINTS).write_text(request.translated.constraints)
    for path in folder.rglob("*"):  # the panel's umask keeps its files to itself
        path.chmod(0o755 if path.is_dir() else 0o644)


def _commands(request: Request, flags: tuple[str, ...]) -> Iterator[list[str]]:
    uv = f"{TOOLS}/uv"
    needs = request.needs
    here = "/app" if needs.project else _INPUTS
    pip = [uv, "pip", "install", "--python", _PYTHON, *flags]
    yield [
        uv,
        "venv",
        "--quiet",
        "--allow-existing",
        "--python",
        str(request.interpreter.path),
        TARGET,
    ]
    if needs.manager == "uv":
        yield [uv, "sync", "--frozen", "--no-default-groups", *_uv_project(needs), *flags]
    elif needs.manager == "requirements":
        yield [*pip, "-r", f"{here}/{needs.files[0]}"]
    elif needs.manager == "pyproject":
        yield [*pip, "/app"] if needs.project else [*pip, "-r", f"{_INPUTS}/pyproject.toml"]
    elif request.translated is not None:
        exact = ["--no-deps"] if request.translated.exact else []
        files = ["-r", f"{_INPUTS}/{locks.TRANSLATED}", "-c", f"{_INPUTS}/{locks.CONSTRAINTS}"]
        yield [*pip, *exact, *files]
        if needs.project:
            yield [*pip, "--no-deps", "/app"]
    if needs.extra:
        yield [*pip, "--", *needs.extra]


def _uv_project(needs: PythonDependencies) -> list[str]:
    return ["--no-editable"] if needs.project else ["--no-install-workspace"]


def _variables(request: Request) -> dict[str, str]:
    return {
        "HOME": "/tmp",  # noqa: S108 - inside, and private
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": f"{TARGET}/bin:{TOOLS}:/usr/local/bin:/usr/bin:/bin",
        "UV_CACHE_DIR": _CACHE,
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "UV_PROJECT_ENVIRONMENT": TARGET,
        "UV_PYTHON": str(request.interpreter.path),
        "UV_PYTHON_DOWNLOADS": "never",
        "VIRTUAL_ENV": TARGET,
    }


def _failure(request: Request, ended: Ended) -> BuildFailed:
    named = request.needs.files[0] if request.needs.files else "the dependencies"
    if ended.out_of_memory:
        return BuildFailed(
            "Installing the dependencies took too much memory",
            f"A build may use {steps.MEMORY_MB} MiB.",
            "Prefer versions that come as wheels, so that nothing is compiled.",
        )
    said = [line for line in ended.tail if line.strip()]
    message = next(
        (
            n
            for n, line in enumerate(said)
            if line.lstrip().startswith(("\N{MULTIPLICATION SIGN}", "error"))
        ),
        0,
    )
    return BuildFailed(
        f"The dependencies in {named} could not be installed",
        "uv says: " + "\n".join(said[message:][-_SHOWN:]),
        f"Correct {named} so that `uv pip install` works on your machine, commit and push again.",
    )


def _ignore(_line: str) -> None:
    """Output nobody needs."""
