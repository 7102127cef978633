"""Who may use a PAAS_HOME and its `run`."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from paas.instance import Instance
from paas.launcher import run_folder
from paas.launcher.errors import AlreadyRunning, LaunchError
from paas.launcher.lock import holder_of, only_launcher
from tests.launcher.conftest import eventually


def _another(instance: Instance) -> subprocess.Popen[bytes]:
    code = (
        "import sys, time; from paas.instance import current;"
        "from paas.launcher.lock import only_launcher;"
        "lock = only_launcher(current()); lock.__enter__(); time.sleep(600)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], env={"PAAS_HOME": str(instance.home), "PAAS_PORT": "8091"}
    )


def test_the_second_launcher_hears_where_the_first_is(instance: Instance) -> None:
    first = _another(instance)
    try:
        eventually(lambda: holder_of(instance) == first.pid, "the first holds the instance")
        with pytest.raises(AlreadyRunning) as refused, only_launcher(instance):
            pass
        assert "http://localhost:8091" in str(refused.value)
        assert str(first.pid) in str(refused.value)
    finally:
        first.kill()
        first.wait()
    assert holder_of(instance) is None
    with only_launcher(instance):  # the kernel has let go
        pass


def test_run_is_made_and_removed(instance: Instance) -> None:
    run_folder.take(instance)
    (instance.run / "web.sock").touch()
    run_folder.take(instance)  # what a killed launcher left is taken over
    run_folder.remove(instance)
    assert not instance.run.exists()


def test_a_folder_with_other_files_is_neither_taken_nor_removed(instance: Instance) -> None:
    instance.run.mkdir()
    (instance.run / "thesis.txt").touch()
    with pytest.raises(LaunchError, match="PAAS_RUN"):
        run_folder.take(instance)
    run_folder.remove(instance)
    assert (instance.run / "thesis.txt").exists()


def test_the_run_of_another_home_is_refused(instance: Instance, tmp_path: Path) -> None:
    run_folder.take(instance)
    other = dataclasses.replace(instance, home=tmp_path / "other")
    with pytest.raises(LaunchError):
        run_folder.take(other)
    run_folder.remove(other)
    assert instance.run.exists()
