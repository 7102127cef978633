"""What of the machine a sandbox shows: a read-only system and a minimal /etc."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from paas.sandbox.spec import Bind

HOSTNAME = "app"
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# "static" is where NixOS keeps what /etc links to; "pki" is Fedora's "ssl".
_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "fonts",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "localtime",
    "mime.types",
    "os-release",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "static",
    "terminfo",
)
# NixOS keeps its system there; elsewhere the store holds what apps are built of, each its own
_NIX = ("/nix/store", "/run/current-system/sw")


@functools.lru_cache(maxsize=1)
def system_mounts() -> tuple[str, ...]:
    """bubblewrap's arguments for the read-only system."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for path in (Path("/") / name for name in _TOP):
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    nixos = _NIX if Path(_NIX[1]).exists() else ()
    for name in (*(f"/etc/{name}" for name in _ETC), *nixos):
        if Path(name).exists():
            arguments += ["--ro-bind", name, name]
    return tuple(arguments)


def system_files(uid: int, gid: int) -> dict[str, str]:
    """The files of /etc that are made up: path → contents."""
    return {
        "/etc/passwd": (
            "root:x:0:0:root:/nonexistent:/bin/sh\n"
            f"app:x:{uid}:{gid}:app:/app:/bin/sh\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
        ),
        "/etc/group": f"root:x:0:\napp:x:{gid}:\nnogroup:x:65534:\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "/etc/hosts": _hosts(),
    }


@functools.lru_cache(maxsize=1)
def system_path() -> str:
    """The PATH inside, without what an artifact adds in front."""
    folders = ["/usr/local/bin", "/usr/bin", "/bin"]
    if Path(_NIX[1]).exists():
        folders.append(f"{_NIX[1]}/bin")
    return ":".join(folders)


@functools.lru_cache(maxsize=1)
def panel_python() -> Path:
    """The real file of the interpreter this process runs, outside of any venv."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Path(os.path.realpath(base))


def interpreter_binds(prefix: Path) -> tuple[Bind, ...]:
    """What of an interpreter's prefix a sandbox needs; nothing if the system has it.

    Only `bin`, `include` and `lib`: a prefix such as `~/.local` holds other
    things too.
    """
    return tuple(_interpreter_binds(prefix))


def _interpreter_binds(prefix: Path) -> Iterator[Bind]:
    if prefix.is_relative_to("/usr") or prefix.is_relative_to("/nix/store"):
        return
    for name in ("bin", "include", "lib", "lib64"):
        folder = prefix / name
        if folder.is_dir():
            yield Bind(folder, str(folder))


@functools.lru_cache(maxsize=1)
def _hosts() -> str:
    try:
        known = Path("/etc/hosts").read_text(errors="replace")
    except OSError:
        known = "127.0.0.1 localhost\n::1 localhost\n"
    return f"{known.rstrip()}\n127.0.0.1 {HOSTNAME}\n"
