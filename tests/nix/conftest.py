"""A Nix store of the test's own, empty at first; the machine's is never touched."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paas.instance import Instance, current
from paas.keys import ensure_keys
from paas.nix.store import Store
from paas.sandbox import remove_tree
from tests.nix.repository import Repository

NewStore = Callable[[str], Store]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Short, unlike pytest's: sockets of Nix lie below it, whose paths have 107 bytes at most."""
    path = Path(tempfile.mkdtemp(prefix="nix-"))
    yield path
    remove_tree(path)


@pytest.fixture
def nix_instance(tmp_path: Path) -> Instance:
    instance = current({"PAAS_HOME": str(tmp_path / "home"), "PAAS_RUN": str(tmp_path / "run")})
    ensure_keys(instance)
    return instance


@pytest.fixture
def new_store(nix_instance: Instance, tmp_path: Path) -> NewStore:
    """Makes stores: each name is another machine's."""

    def make(name: str, **settings: str) -> Store:
        return Store.of(nix_instance, {"PAAS_NIX_STORE": str(tmp_path / name), **settings})

    return make


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store("store")


@pytest.fixture
def repository(nix_instance: Instance, store: Store, tmp_path: Path) -> Repository:
    """A repository in Nix and what becomes of it."""
    return Repository(nix_instance, store, tmp_path / "builds")
