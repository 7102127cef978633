"""Nix that lies in a store among everybody's apps, as on NixOS."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from apps.builds.builders.nix import toolbox
from apps.builds.builders.nix.toolbox import Toolbox
from paas.nix.store import Store
from paas.sandbox import Bind
from tests.nix.repository import Repository

_LIBRARY = re.compile(r"(/\S+) \(0x")


def _nix_in(store: Store, folder: Path) -> tuple[str, str]:
    """The machine's Nix and its libraries as a store path, and the loader's name."""
    made = folder / "nix"
    (made / "bin").mkdir(parents=True)
    (made / "lib").mkdir()
    program = Path(shutil.which("nix") or "").resolve()
    listed = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True)
    loader = ""
    for name in _LIBRARY.findall(listed.stdout):
        shutil.copy(Path(name).resolve(), made / "lib" / Path(name).name)
        loader = name if "ld-linux" in name else loader
    shutil.copy(program, made / "bin" / "nix")
    (made / "bin" / "nix-instantiate").symlink_to("nix")
    return store.add(made, "nix"), Path(loader).name


def test_only_its_closure_is_seen(
    repository: Repository, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, loader = _nix_in(store, tmp_path)
    (tmp_path / "foreign").write_text("canary-7261")
    foreign = store.add(tmp_path / "foreign", "another-app")
    physical = store.physical(path)
    binds = (
        Bind(physical, path),
        # a Nix of the store's own knows its loader and libraries by their paths there
        Bind(physical / "lib" / loader, f"/lib64/{loader}"),
        Bind(physical / "lib", "/usr/lib/x86_64-linux-gnu"),
        Bind(physical / "lib", "/lib/x86_64-linux-gnu"),
    )
    monkeypatch.setattr(toolbox, "find", lambda: Toolbox(Path(path) / "bin", binds))
    said = repository.said("default", '{ pkgs }: pkgs.writeText "a" "b"')
    assert said["processes"]["web"]
    for wanted in (foreign, "/usr/bin", str(repository.instance.home)):
        text = f'{{ pkgs }}: builtins.fetchTree {{ type = "path"; path = "{wanted}"; }}'
        error = repository.refused("default", text)
        assert "canary" not in error.why
    assert foreign.rpartition("/")[2] not in {
        entry.name for entry in repository.folder.glob("*/evaluation/scratch/nix/store/*")
    }
