"""An instance that builds by Nix looks for it before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from paas.instance import current
from paas.launcher import nix
from paas.launcher.errors import LaunchError


def test_it_is_wanted_when_it_builds() -> None:
    assert nix.wanted({"PAAS_BUILDER": "nix"})
    assert not nix.wanted({"PAAS_BUILDER": "host"}) and not nix.wanted({})


def test_a_missing_one_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = current({"PAAS_HOME": str(tmp_path)})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="apt install nix-bin"):
        nix.ensure_nix(instance)


def test_root_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = current({"PAAS_HOME": str(tmp_path / "home")})
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho "E: no net" >&2\nexit 100\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(LaunchError, match="E: no net"):
        nix.ensure_nix(instance)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].startswith("update") and asked[1].endswith("nix-bin")


def test_a_nixpkgs_that_is_not_pinned_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = current({"PAAS_HOME": str(tmp_path / "home")})
    monkeypatch.setattr(nix, "require_nix", lambda: "2.8.0")
    monkeypatch.setattr(nix, "_EXPRESSIONS", tmp_path)
    monkeypatch.delenv("PAAS_NIX_PACKAGES", raising=False)
    with pytest.raises(LaunchError, match=r"flake lock ./nix.*PAAS_NIX_PACKAGES=debian"):
        nix.check_nix(instance)
    monkeypatch.setenv("PAAS_NIX_PACKAGES", "debian")
    assert "2.8.0" in nix.check_nix(instance)
    monkeypatch.delenv("PAAS_NIX_PACKAGES")
    (tmp_path / "flake.lock").touch()
    assert "2.8.0" in nix.check_nix(instance)
