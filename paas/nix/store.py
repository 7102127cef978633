"""The Nix store of an instance: run Nix in it, put things there, ask what belongs to what.

A store path is text, `/nix/store/<hash>-<name>`, the same in every store;
`Store.physical` tells where its files lie on this machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paas.instance import Instance
from paas.nix.config import Config, configure
from paas.nix.errors import NixFailed, NixUnavailable, NotInStore, NotSigned, StoreBusy
from paas.nix.roots import Roots

STORE = "/nix/store"
OLDEST = (2, 8)
"""The Nix of Debian 12: what the suite runs with."""
_PATH = re.compile(rf"{STORE}/[0-9a-df-np-sv-z]{{32}}-[0-9A-Za-z+._?=-]{{1,211}}")
_MOST_LINKS = 40  # as the kernel
_BATCH = 500  # paths a command: an argument list has its limits
_UNSIGNED = re.compile(r"lacks a (valid )?signature|not signed by any|lacks a signature by")
_DELETED = re.compile(r"(\d+) store paths deleted")
_INVALID = re.compile(r"is not valid|don't know how to build")


@dataclass(frozen=True)
class PathInfo:
    """What the store knows of one path.

    Args:
        nar_size: bytes of its archive form, about what it takes on disk.
        references: the store paths it mentions, itself left out.
        deriver: the derivation that made it; "" if it was added.
    """

    path: str
    nar_size: int
    references: tuple[str, ...]
    deriver: str = ""

    @property
    def name(self) -> str:
        """`python3-3.11.2` of `/nix/store/<hash>-python3-3.11.2`."""
        return self.path.rpartition("/")[2][33:]


def is_store_path(text: str) -> bool:
    """Whether `text` is a store path as such: nothing below it, nothing around it."""
    return _PATH.fullmatch(text) is not None


class Store:
    """One Nix store and how to run Nix in it. Making one writes nothing and starts nothing.

    Every method raises `NixUnavailable` where there is no usable Nix, and
    `NixFailed` when a command fails for a reason that is not named there.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.roots = Roots(config.home / "roots")
        self._ready = False

    @classmethod
    def of(cls, instance: Instance, environ: Mapping[str, str] | None = None) -> Store:
        """The store that the environment names for `instance`; see `paas.nix.config`."""
        return cls(configure(instance, environ))

    # --- run Nix -----------------------------------------------------------
    def prepare(self) -> None:
        """Write the configuration and see that Nix is here; harmless when done."""
        if not self._ready:
            require_nix()
            self.config.write()
            self._ready = True

    def environment(self) -> dict[str, str]:
        """The environment for a Nix command that the caller starts, after `prepare`."""
        return self.config.environment()

    def run(
        self,
        *argv: str,
        timeout: float | None = None,
        cwd: Path | None = None,
        holding: Sequence[int] = (),
    ) -> str:
        """Run a Nix command to its end.

        Args:
            argv: program and arguments; user text only as paths.
            timeout: seconds until it is killed.
            cwd: its working folder.
            holding: file descriptors of locks that it keeps if this process dies.

        Returns:
            its standard output.
        """
        self.prepare()
        program = " ".join(word for word in argv[:2] if not word.startswith("/"))
        try:
            done = subprocess.run(
                argv,
                env=self.environment(),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                pass_fds=holding,
            )
        except subprocess.TimeoutExpired as error:
            raise NixFailed(program, -9, f"error: not done within {timeout} s") from error
        if done.returncode == 0:
            return done.stdout
        raise failure(program, done.returncode, done.stderr)

    # --- put things in -----------------------------------------------------
    def add_fixed(self, algorithm: str, files: Sequence[Path]) -> list[str]:
        """Add files by the hash of their contents: the paths of the fixed-output derivations
        that name the same hash and file name, which then need not be built.

        Args:
            algorithm: "sha256", "sha512" or "sha1".

        Returns:
            the store paths, in order.
        """
        return self._lines("nix-store", "--add-fixed", algorithm, names=map(str, files))

    def add(self, path: Path, name: str | None = None) -> str:
        """Add a file or folder by its contents; the path is the same wherever it is added.

        Args:
            name: for the store path; default: the file's own.
        """
        named = ("--name", name) if name else ()
        return self.run("nix", "store", "add-path", *named, "--", str(path)).strip()

    # --- ask ---------------------------------------------------------------
    def physical(self, path: str) -> Path:
        """Where the store path, or a path below it, lies on this machine."""
        base = self.config.directory
        return Path(path) if base is None else base / path.removeprefix("/")

    def logical(self, path: Path) -> str:
        """The opposite of `physical`."""
        base = self.config.directory
        return str(path) if base is None else f"/{path.relative_to(base)}"

    def resolve(self, path: str) -> Path:
        """Where the file or folder lies that `path` names, links followed as they are inside.

        A link of a hostile build may lead anywhere: on this machine it must not be followed.

        Raises:
            NotInStore: it leads out of the store, or nowhere.
        """
        for _ in range(_MOST_LINKS):
            link = next((at for at in _steps(path) if self.physical(at).is_symlink()), None)
            if link is None:
                break
            target = Path(link).parent / self.physical(link).readlink()
            path = os.path.normpath(f"{target}{path.removeprefix(link)}")
        else:
            raise NotInStore(f"{path} is a link without end.")
        found = self.physical(path)
        if not is_store_path("/".join(path.split("/")[:4])) or not os.path.lexists(found):
            raise NotInStore(f"{path} is not in the store.")
        return found

    def is_valid(self, path: str) -> bool:
        """Whether the path is whole and known to the store."""
        try:
            self.run("nix-store", "--check-validity", path)
        except NotInStore:
            return False
        return True

    def references(self, path: str) -> list[str]:
        """The store paths that `path` mentions.

        Raises:
            NotInStore: it is not in the store.
        """
        return self._lines("nix-store", "--query", "--references", names=[path])

    def requisites(self, paths: Iterable[str]) -> list[str]:
        """The closure: the paths and all they need, what is needed first.

        Raises:
            NotInStore: one is not in the store.
        """
        found = self._lines("nix-store", "--query", "--requisites", names=paths)
        return list(dict.fromkeys(found))

    def deriver(self, path: str) -> str | None:
        """The derivation that made it; None if it was added or copied from elsewhere."""
        (line,) = self._lines("nix-store", "--query", "--deriver", names=[path])
        return line if is_store_path(line) else None

    def info(self, paths: Iterable[str], *, recursive: bool = False) -> list[PathInfo]:
        """What the store knows of the paths, or (recursive) of their closure, ordered by path.

        Raises:
            NotInStore: one is not in the store.
        """
        flag = ("--recursive",) if recursive else ()
        found: dict[str, PathInfo] = {}
        for batch in _batches(paths):
            text = self.run("nix", "path-info", "--json", *flag, "--", *batch)
            found |= {one.path: one for one in read_path_info(text)}
        return [found[path] for path in sorted(found)]

    def closure_size(self, paths: Iterable[str]) -> int:
        """Bytes of the closure's archive form."""
        return sum(one.nar_size for one in self.info(paths, recursive=True))

    # --- keep, and give room -----------------------------------------------
    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Nothing is collected meanwhile: around a build, up to when its result has a root.

        The sources of a build have none, and a machine's own collections are not held up.
        """
        with self._lock(fcntl.LOCK_SH):
            yield

    def add_root(self, name: str, *paths: str) -> None:
        """Keep the paths and their closures until `roots.remove(name)`; a root of that name moves.

        Raises:
            NotInStore: one is not in the store.
        """
        for old in self.roots.links(name)[len(paths) :]:
            old.unlink(missing_ok=True)
        self.run("nix-store", "--realise", *paths, "--add-root", str(self.roots.link(name)))

    @contextmanager
    def _lock(self, how: int) -> Iterator[int]:
        self.prepare()
        with (self.config.home / "lock").open("w") as file:
            try:
                fcntl.flock(file, how)
            except BlockingIOError:
                raise StoreBusy("Builds are going on. Try again when they have ended.") from None
            yield file.fileno()

    def collect(self, *, keep_outputs: bool = True) -> int:
        """Delete what no root needs.

        Args:
            keep_outputs: keep what the rooted paths were built with, too.

        Returns:
            how many paths went.

        Raises:
            StoreBusy: the store is in use.
        """
        kept = ("true" if keep_outputs else "false",)
        options = ("--option", "keep-outputs", *kept, "--option", "keep-derivations", *kept)
        with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
            # Nix goes on if this process is killed: until it has ended, no build may begin.
            out = self.run("nix-store", "--gc", *options, holding=[held])
        found = _DELETED.search(out)
        return int(found[1]) if found else 0

    def _lines(self, *command: str, names: Iterable[str]) -> list[str]:
        out = [self.run(*command, *batch) for batch in _batches(names)]
        return [line for text in out for line in text.splitlines()]


def require_nix() -> str:
    """The version of the Nix on PATH.

    Raises:
        NixUnavailable: there is none, or it is older than `OLDEST`.
    """
    if shutil.which("nix") is None or shutil.which("nix-store") is None:
        raise NixUnavailable(
            "Nix is missing. Install it (Debian: apt install nix-bin; elsewhere: nixos.org), "
            "or build without it: PAAS_BUILDER=host."
        )
    # `nix-store --version` would make folders in the machine's store, or fail as a plain user.
    text = subprocess.run(["nix", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"(\d+)\.(\d+)[\d.]*", text)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise NixUnavailable(
            f"This is {text.strip() or 'no Nix that tells its version'}, and paas needs "
            f"{OLDEST[0]}.{OLDEST[1]} or newer. Install a newer one."
        )
    return found[0]


def failure(program: str, status: int, output: str) -> NixFailed | NotInStore:
    """The error that a failed command's output tells of."""
    unsigned = next((line for line in output.splitlines() if _UNSIGNED.search(line)), None)
    if unsigned is not None:
        return NotSigned(program, status, f"error: {unsigned.removeprefix('warning: ')}")
    known = NixFailed(program, status, output)
    return NotInStore(str(known)) if _INVALID.search(output) else known


def read_path_info(text: str) -> list[PathInfo]:
    """`nix path-info --json`: a list up to Nix 2.18, since then an object by path.

    Raises:
        NotInStore: it says so of one path.
    """
    data: Any = json.loads(text)
    named = data.items() if isinstance(data, dict) else ((row["path"], row) for row in data)
    rows = [{**(row or {}), "path": path} for path, row in named]
    missing = [row["path"] for row in rows if "narSize" not in row]
    if missing:
        raise NotInStore(f"{missing[0]} is not in the store.")
    return [
        PathInfo(
            path=row["path"],
            nar_size=row["narSize"],
            references=tuple(one for one in row["references"] if one != row["path"]),
            deriver=row.get("deriver") or "",
        )
        for row in rows
    ]


def _steps(path: str) -> Iterator[str]:
    """`/a/b`, `/a/b/c`, … of a path: what could be a link on the way, the store's folder apart."""
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(4, len(parts) + 1))


def _batches(names: Iterable[str]) -> Iterable[list[str]]:
    every = list(names)
    return [every[start : start + _BATCH] for start in range(0, len(every), _BATCH)]
