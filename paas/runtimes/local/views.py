"""What the processes of an artifact see: of the machine's system (host), or of a closure (nix)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from paas.instance import Instance
from paas.nix.errors import NixError
from paas.nix.store import Store, is_store_path
from paas.runtimes.base import Artifact, RuntimeFailure
from paas.sandbox.spec import Bind, Root

APP = "/app"
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_OURS = frozenset({"app", "dev", "nix", "proc", "run", "sys", "tmp", "var"})
"""What a release root cannot put at `/`: the runtime does."""
_OUR_ETC = frozenset({"passwd", "group", "hosts", "nsswitch.conf", "resolv.conf"})
"""What the machine and the app's user decide, not the closure."""


@dataclass(frozen=True)
class View:
    """The immutable part of a process's sandbox.

    Args:
        tree: what `/app` is filled with.
        owned: the tree is nobody's (a store path): each process gets it as its own.
        root: what stands at `/`; None is the machine's system.
        environment: variables that the app's own override; PATH is one of them.
    """

    tree: Path
    binds: tuple[Bind, ...]
    owned: bool = False
    root: Root | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": _SYSTEM_PATH})


class Views:
    """Turns artifacts into views; a closure's is worked out once."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._closure = lru_cache(maxsize=256)(self._read_closure)

    def of(self, artifact: Artifact) -> View:
        """
        Raises:
            RuntimeFailure: its files are gone, or it is of a kind that cannot run here.
        """
        if artifact.kind == "nix":
            return self._nix(artifact.path)
        if artifact.kind != "host":
            raise RuntimeFailure(f"This runtime cannot run a build of kind {artifact.kind!r}.")
        if not Path(artifact.path).is_dir():
            raise _gone("the disk")
        binds = (Bind(Path(mount.source), mount.target) for mount in artifact.mounts)
        return View(Path(artifact.path), tuple(binds))

    def _nix(self, path: str) -> View:
        try:
            if not is_store_path(path) or not self._store.physical(path).is_dir():
                raise _gone("the Nix store")
            return self._closure(path)
        except NixError as error:
            raise RuntimeFailure(str(error)) from error
        except (OSError, ValueError) as error:
            raise RuntimeFailure(
                f"The release {path} is not whole ({error}). Push again to build it anew."
            ) from error

    @cached_property
    def _store(self) -> Store:
        return Store.of(self._instance)

    def _read_closure(self, path: str) -> View:
        store = self._store
        closure = {one: store.physical(one) for one in store.requisites([path])}
        environment = _variables(store.resolve(f"{path}/environment.json"))
        # A store path that is a link stays one: followed here, it would show the machine's files.
        links = {one: str(at.readlink()) for one, at in closure.items() if at.is_symlink()}
        return View(
            tree=store.resolve(f"{path}/app"),
            binds=tuple(Bind(at, one) for one, at in closure.items() if one not in links),
            owned=True,
            root=Root(links | dict(_stand_ins(store, f"{path}/root"))),
            environment={"PATH": "/bin:/usr/bin", **environment},
        )


def _variables(file: Path) -> dict[str, str]:
    found = json.loads(file.read_bytes())
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise ValueError(f"{file.name} names no variables")
    return found


def _stand_ins(store: Store, folder: str) -> Iterator[tuple[str, str]]:
    """The links at `/` by which the entries of the store's `folder` appear there."""
    for name in _names(store, folder):
        if name == "etc":
            etc = [one for one in _names(store, f"{folder}/etc") if one not in _OUR_ETC]
            yield from ((f"/etc/{one}", f"{folder}/etc/{one}") for one in etc)
        elif name not in _OURS:
            yield f"/{name}", f"{folder}/{name}"


def _names(store: Store, folder: str) -> list[str]:
    return sorted(entry.name for entry in store.resolve(folder).iterdir())


def _gone(where: str) -> RuntimeFailure:
    return RuntimeFailure(
        f"The files of this release are gone from {where}. Push again to build them anew."
    )
