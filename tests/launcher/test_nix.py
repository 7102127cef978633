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
    apt.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "E: no network" >&2\nexit 100\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(LaunchError, match="E: no network"):
        nix.ensure_nix(instance)
    assert (tmp_path / "asked").read_text().endswith("nix-bin\n")
