"""doctor, backup, restore: handed to the launcher, whose refusals are shown as texts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from paas.cli.main import main
from paas.launcher.archive import Manifest
from paas.launcher.backup import Restored
from paas.launcher.errors import LaunchError


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["paas", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.fixture
def backup(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("paas.launcher.backup")
    monkeypatch.setitem(sys.modules, "paas.launcher.backup", module)
    return module


def test_doctor_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("paas.launcher.doctor")
    module.main = lambda as_json: 1 if as_json else 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "paas.launcher.doctor", module)
    assert _run(monkeypatch, "doctor") == 0
    assert _run(monkeypatch, "doctor", "--json") == 1


def test_backup_and_restore_get_the_file(
    monkeypatch: pytest.MonkeyPatch, backup: ModuleType
) -> None:
    seen: list[tuple[Path, dict[str, bool]]] = []
    manifest = Manifest(1, "0.1.0", "2026-11-23", "/home", "sqlite", True, None)

    def save(path: Path, **how: bool) -> Manifest:
        seen.append((path, how))
        return manifest

    def load(path: Path, **how: bool) -> Restored:
        seen.append((path, how))
        return Restored(manifest, None)

    backup.backup, backup.restore = save, load  # type: ignore[attr-defined]
    assert _run(monkeypatch, "backup", "a.tar", "--artifacts") == 0
    assert _run(monkeypatch, "restore", "b.tar", "--json") == 0
    assert seen == [(Path("a.tar"), {"artifacts": True}), (Path("b.tar"), {"force": False})]


@pytest.mark.parametrize(
    "error", [LaunchError("Stop it first."), FileExistsError(17, "exists", "f")]
)
def test_refusals_are_texts(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    backup: ModuleType,
    error: Exception,
) -> None:
    def refuse(_: Path, **__: bool) -> None:
        raise error

    backup.backup = refuse  # type: ignore[attr-defined]
    assert _run(monkeypatch, "backup", "a.tar") == 1
    shown = capsys.readouterr().err
    assert "Stop it first." in shown or "f: exists." in shown
    assert "fault of paas" not in shown
