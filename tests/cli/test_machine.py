"""doctor, backup, restore: handed to the launcher, whose refusals are shown as texts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from paas.cli.main import main
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
    seen: list[Path] = []
    backup.backup = backup.restore = seen.append  # type: ignore[attr-defined]
    assert _run(monkeypatch, "backup", "a.tar") == 0
    assert _run(monkeypatch, "restore", "b.tar") == 0
    assert seen == [Path("a.tar"), Path("b.tar")]


@pytest.mark.parametrize(
    "error", [LaunchError("Stop it first."), FileExistsError(17, "exists", "f")]
)
def test_refusals_are_texts(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    backup: ModuleType,
    error: Exception,
) -> None:
    def refuse(_: Path) -> None:
        raise error

    backup.backup = refuse  # type: ignore[attr-defined]
    assert _run(monkeypatch, "backup", "a.tar") == 1
    shown = capsys.readouterr().err
    assert "Stop it first." in shown or "f: exists." in shown
    assert "fault of paas" not in shown
