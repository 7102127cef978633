"""Parts by themselves: what is refused, and that they and a launcher exclude each other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paas.instance import Instance
from paas.launcher import alone
from paas.launcher.errors import AlreadyRunning, LaunchError
from paas.launcher.lock import holder_of, join, only_launcher


def launch(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PAAS_HOME": str(home), **settings}
    argv = [sys.executable, "-m", "paas.launcher", *arguments]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60)


def test_what_is_no_part(tmp_path: Path) -> None:
    done = launch(tmp_path / "home", "wbe")
    assert done.returncode == 1
    assert done.stderr.startswith("paas wbe: `wbe` is nothing to start. Use no argument")
    assert not (tmp_path / "home").exists()


def test_no_part_without_a_cluster(tmp_path: Path) -> None:
    done = launch(tmp_path / "home", "web")
    assert done.returncode == 1 and "PAAS_RUNTIME=kubernetes" in done.stderr


def test_no_part_before_init(tmp_path: Path) -> None:
    settings = {"PAAS_RUNTIME": "kubernetes", "PAAS_BUILDER": "nix"}
    done = launch(tmp_path / "home", "observer", **settings)
    assert done.returncode == 1 and "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_part_that_is_not_there_fails_its_check(instance: Instance) -> None:
    for part in alone.PARTS:
        with pytest.raises(LaunchError, match=f"{part} does not answer"):
            alone.check(instance, part)


def test_parts_hold_an_instance_together(instance: Instance) -> None:
    first, second = join(instance), join(instance)
    with pytest.raises(AlreadyRunning, match="Parts of the instance"), only_launcher(instance):
        pass
    os.close(first)
    with pytest.raises(AlreadyRunning, match="Stop them first"), only_launcher(instance):
        pass
    os.close(second)
    with only_launcher(instance):
        assert holder_of(instance) == os.getpid()
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
            join(instance)
    os.close(join(instance))  # the one before is not named any more
    third = join(instance)
    with pytest.raises(AlreadyRunning, match="Parts of the instance"), only_launcher(instance):
        pass
    os.close(third)
