"""The Pythons of this machine, and which of them a plan gets."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from apps.builds.builders.base import BuildFailed
from buildpacks.plan import Pin
from paas.sandbox import Bind, interpreter_binds, panel_python

_QUERY = (
    "import json,platform,sys;"
    "print(json.dumps([platform.python_version(),sys.base_prefix,platform.python_implementation()]))"
)
_TIMEOUT = 10.0
_OLDER = 3  # minor versions that are tried below the newest
_MINORS = range(8, 30)


@dataclass(frozen=True)
class Interpreter:
    """A Python: its real file, version, and the folder it lives in.

    `closure` is what a sandbox must show for it, where that is more than the
    folder itself.
    """

    path: Path
    version: Version
    prefix: Path
    closure: tuple[Bind, ...] = ()

    @property
    def binds(self) -> tuple[Bind, ...]:
        """What a sandbox needs to run it."""
        return self.closure or interpreter_binds(self.prefix)

    @property
    def minor(self) -> str:
        return f"{self.version.major}.{self.version.minor}"


def resolve(pin: Pin, installed: Iterable[Interpreter]) -> tuple[Interpreter, str]:
    """The Python for `pin`, and a warning ("" if it is just what was asked for).

    The newest one that fits; where only the patch level is missing, the
    newest patch of the same minor version.

    Raises:
        BuildFailed: no Python here fits.
    """
    known = sorted(installed, key=lambda one: one.version, reverse=True)
    wanted = specifier(pin)
    for interpreter in known:
        if wanted.contains(interpreter.version, prereleases=False):
            return interpreter, ""
    asked = pin.spec.removeprefix("==")
    if asked.count(".") == 2 and not asked.endswith("*"):
        for interpreter in known:
            if interpreter.minor == asked.rpartition(".")[0]:
                return interpreter, (
                    f"Python {asked}, asked for in {pin.source}, is not installed on this server: "
                    f"{interpreter.version} is used."
                )
    raise _missing(pin, known)


def older(pin: Pin, than: Interpreter, installed: Iterable[Interpreter]) -> list[Interpreter]:
    """The newest of each minor version below `than` that `pin` allows, the newest first."""
    wanted = specifier(pin)
    found: dict[str, Interpreter] = {}
    for one in sorted(installed, key=lambda one: one.version, reverse=True):
        below = one.version.release[:2] < than.version.release[:2]
        if below and wanted.contains(one.version, prereleases=False):
            found.setdefault(one.minor, one)
    return list(found.values())[:_OLDER]


def installed_pythons() -> list[Interpreter]:
    """All CPythons of this machine that start, one per version, the newest first."""
    found: dict[Version, Interpreter] = {}
    for path in _candidates():
        interpreter = _describe(path, path.stat().st_mtime_ns)
        if interpreter is not None:
            found.setdefault(interpreter.version, interpreter)
    return sorted(found.values(), key=lambda one: one.version, reverse=True)


def specifier(pin: Pin) -> SpecifierSet:
    """The versions of Python that `pin` allows.

    Raises:
        BuildFailed: what it asks for is no version.
    """
    exact = pin.spec[:1].isdigit()
    try:
        return SpecifierSet(f"=={pin.spec}" if exact else pin.spec)
    except InvalidSpecifier:
        raise BuildFailed(
            f'"{pin.spec}" in {pin.source} is no Python version',
            "A version is written as 3.12, 3.12.4 or >=3.11,<3.13.",
            f"Correct it in {pin.source} and commit.",
        ) from None


def _missing(pin: Pin, known: list[Interpreter]) -> BuildFailed:
    wanted = pin.spec.removeprefix("==").removesuffix(".*")
    listed = ", ".join(str(one.version) for one in known) or "none"
    return BuildFailed(
        f"Python {wanted} is not installed on this server",
        f"{pin.source} asks for it. Installed: {listed}.",
        f"Change {pin.source} to one of these; or ask the administrator to add it with "
        f"`uv python install '{wanted}'`, pyenv or the system's packages, and push again.",
    )


def _candidates() -> Iterator[Path]:
    """Real files of interpreters, each once, in order of preference for the same version."""
    seen = set()
    for path in _named():
        real = os.path.realpath(path)
        if real not in seen and os.access(real, os.X_OK):  # False where we may not even look
            seen.add(real)
            yield Path(real)


def _named() -> Iterator[Path]:
    yield panel_python()
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    for folder in dict.fromkeys(folders):
        if folder and Path(folder).name != "shims":  # pyenv's scripts are no interpreters
            yield from (Path(folder) / f"python3.{minor}" for minor in _MINORS)
    home = Path.home()
    managed = os.environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python"
    pyenv = os.environ.get("PYENV_ROOT") or home / ".pyenv"
    for root in (Path(pyenv) / "versions", Path(managed)):
        if os.access(root, os.R_OK | os.X_OK):
            yield from sorted(root.glob("*/bin/python3.*[0-9]"))


@functools.lru_cache(maxsize=256)
def _describe(path: Path, _changed: int) -> Interpreter | None:
    """Ask an interpreter what it is; None if it does not start or is no CPython."""
    try:
        done = subprocess.run(
            [str(path), "-I", "-S", "-c", _QUERY],
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
            env={},
        )
        version, prefix, implementation = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "CPython":
        return None
    return Interpreter(path, Version(version), Path(prefix))
