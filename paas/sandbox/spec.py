"""What a sandboxed command may see and use: the words of `paas.sandbox`.

Builds and apps run hostile code. Both describe what they need with these
classes; `paas.sandbox` alone turns them into bubblewrap's arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SandboxError(Exception):
    """Isolation cannot be had, or a command could not be started; fit for the user."""


@dataclass(frozen=True)
class Bind:
    """A folder or file of the machine shown at `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Overlay:
    """A writable view of the immutable `lower` at `target`.

    `scratch` is a folder of the caller's on disk, for this sandbox alone; all
    writes end up below it and vanish with it, or when it is used again. Where
    the kernel or file system has no overlay, `lower` is copied into it instead.
    So it is with `owned`: then everything in it is the sandbox's user's own and
    writable, even where `lower` is neither (a store path is root's, read-only).
    """

    lower: Path
    scratch: Path
    target: str
    owned: bool = False


@dataclass(frozen=True)
class Root:
    """What stands at `/` instead of the machine's system.

    Nothing else of the machine is seen than the sandbox's binds, its
    resolv.conf and a made-up passwd, group, hosts and nsswitch.conf.

    Args:
        links: path → where the symbolic link there leads.
    """

    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Upper bounds; None leaves one open. Memory and sizes in MiB."""

    memory_mb: int | None = None
    cpu_shares: int = 1024
    processes: int | None = None
    file_mb: int | None = None
    open_files: int = 4096
    nice: int = 0


@dataclass(frozen=True)
class Sandbox:
    """One isolated place to run one command in.

    `uid` is the user inside when the panel is root (never 0); a plain user's
    panel ignores it and uses a user namespace. `environment` is all the
    command gets: nothing is inherited, and it never shows in any process
    list. `name` (letters, digits, `.`, `_`, `-`) names the cgroup. Without
    `root` the command sees the machine's system, read-only.
    """

    name: str
    binds: tuple[Bind, ...] = ()
    overlay: Overlay | None = None
    root: Root | None = None
    cwd: str = "/app"
    environment: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    uid: int | None = None
    tmp_mb: int = 512
    limits: Limits = field(default_factory=Limits)
