"""The toolchains of this machine other than Python, and which of them a plan gets.

Looked for in the panel's PATH, the system's folders, and where version
managers put them: nvm, fnm, n, mise, asdf, rbenv, Go's own.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.builds.builders.base import BuildFailed
from buildpacks.plan import Pin
from buildpacks.ranges import Range, Version, parse_range, parse_version, shown_version

_TIMEOUT = 10.0
_PROXIES = frozenset({"rustup"})  # stands for programs that lie elsewhere, by settings in HOME
_SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin", "/run/current-system/sw/bin")


@dataclass(frozen=True)
class Language:
    """A language: its program, what that prints its version for, and how to get it.

    `folders` are patterns below the home folder (or the root, with a leading
    slash) of installations that hold `bin`.
    """

    shown: str
    program: str
    version: tuple[str, ...]
    folders: tuple[str, ...]
    advice: str
    patches: bool = True
    """Whether an app goes with another patch or minor version than the exact one it names."""


@dataclass(frozen=True)
class Toolchain:
    """An installed language: its program, version, and the folder it lives in."""

    tool: str
    path: Path
    version: Version
    prefix: Path

    @property
    def bin(self) -> str:
        return str(self.path.parent)


LANGUAGES = {
    "node": Language(
        "Node.js",
        "node",
        ("--version",),
        (
            ".nvm/versions/node/*",
            ".local/share/fnm/node-versions/*/installation",
            ".local/share/mise/installs/node/*",
            ".asdf/installs/nodejs/*",
            "/usr/local/n/versions/node/*",
            "/opt/node*",
        ),
        "nvm, mise or the system's packages (Debian: apt install nodejs npm)",
    ),
    "go": Language(
        "Go",
        "go",
        ("version",),
        (
            "/usr/local/go",
            "/usr/lib/go-*",
            "sdk/go*",
            ".local/share/mise/installs/go/*",
            ".asdf/installs/golang/*/go",
        ),
        "the archive from go.dev in /usr/local/go or the system's packages "
        "(Debian: apt install golang-go)",
    ),
    "ruby": Language(
        "Ruby",
        "ruby",
        ("--version",),
        (
            ".rbenv/versions/*",
            ".rubies/*",
            "/opt/rubies/*",
            ".local/share/mise/installs/ruby/*",
            ".asdf/installs/ruby/*",
        ),
        "rbenv, mise or the system's packages (Debian: apt install ruby bundler)",
        patches=False,
    ),
    "php": Language(
        "PHP",
        "php",
        ("--version",),
        (".local/share/mise/installs/php/*", ".asdf/installs/php/*"),
        "the system's packages (Debian: apt install php-cli php-fpm composer)",
    ),
    "rust": Language(
        "Rust",
        "rustc",
        ("--version",),
        (".rustup/toolchains/*", "/usr/local/rustup/toolchains/*"),
        "rustup or the system's packages (Debian: apt install rustc-web cargo-web)",
    ),
}


def resolve(pin: Pin, installed: Iterable[Toolchain]) -> tuple[Toolchain, str]:
    """The toolchain for `pin`, and a warning ("" if it is just what was asked for).

    The newest one that fits; where one exact version is asked for and not
    here, the newest of the same major version.

    Raises:
        BuildFailed: none fits.
    """
    known = sorted(installed, key=lambda one: one.version, reverse=True)
    wanted = _range(pin)
    fitting = next((one for one in known if one.version in wanted), None)
    if fitting is not None:
        return fitting, ""
    if wanted.exact is not None and LANGUAGES[pin.tool].patches:
        for one in known:
            if one.version[0] == wanted.exact[0]:
                return one, (
                    f"{LANGUAGES[pin.tool].shown} {shown_version(wanted.exact)}, asked for in "
                    f"{pin.source}, is not installed on this server: "
                    f"{shown_version(one.version)} is used."
                )
    raise _missing(pin, known)


def installed(tool: str) -> list[Toolchain]:
    """All installations of `tool` that start, one per version, the newest first."""
    found: dict[Version, Toolchain] = {}
    for path in _candidates(LANGUAGES[tool]):
        version = _version(path, LANGUAGES[tool].version, path.stat().st_mtime_ns)
        if version is not None:
            found.setdefault(version, Toolchain(tool, path, version, path.parent.parent))
    return sorted(found.values(), key=lambda one: one.version, reverse=True)


def _range(pin: Pin) -> Range:
    try:
        return parse_range(pin.spec)
    except ValueError:
        raise BuildFailed(
            f'"{pin.spec}" in {pin.source} is no version',
            "It is neither a version nor a range of versions.",
            f"Correct it in {pin.source} and commit.",
        ) from None


def _missing(pin: Pin, known: list[Toolchain]) -> BuildFailed:
    language = LANGUAGES[pin.tool]
    name = f"{language.shown} {pin.spec}".strip()
    asks = f"{pin.source} asks for it. " if pin.spec else "The app needs it. "
    listed = ", ".join(shown_version(one.version) for one in known) or "none"
    change = f"Change {pin.source} to one of these; or ask" if known and pin.spec else "Ask"
    return BuildFailed(
        f"{name} is not installed on this server",
        f"{asks}Installed: {listed}.",
        f"{change} the administrator to add it with {language.advice}, and push again.",
    )


def _candidates(language: Language) -> Iterator[Path]:
    """Real files of programs, each once; the ones in PATH go first."""
    seen = set()
    for folder in _folders(language):
        path = Path(folder) / language.program
        real = os.path.realpath(path)
        if Path(real).name in _PROXIES:
            continue
        if real not in seen and os.access(real, os.X_OK) and Path(real).is_file():
            seen.add(real)
            yield Path(real)


def _folders(language: Language) -> Iterator[str]:
    for folder in dict.fromkeys((*os.environ.get("PATH", "").split(os.pathsep), *_SYSTEM)):
        if folder and Path(folder).name != "shims":  # scripts of a version manager
            yield folder
    for pattern in language.folders:
        root = Path("/") if pattern.startswith("/") else Path.home()
        if os.access(root, os.R_OK | os.X_OK):
            yield from (str(path) for path in sorted(root.glob(f"{pattern.lstrip('/')}/bin")))


@functools.lru_cache(maxsize=256)
def _version(path: Path, arguments: tuple[str, ...], _changed: int) -> Version | None:
    """What a program says of itself; None if it does not start."""
    try:
        done = subprocess.run(
            [str(path), *arguments],
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
            cwd="/",
            env={"PATH": os.defpath, "HOME": "/nonexistent"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(done.stdout.decode(errors="replace"))
