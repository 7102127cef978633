"""Killing parts in the midst of a build by Nix: nothing is lost, nothing is left over."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.breaking import assert_sound, change, push_in_background
from tests.e2e.parts import Faults, kill, nix_processes
from tests.e2e.world import World

pytestmark = pytest.mark.by_nix(only=True)

DEVENV = """{ pkgs, ... }: {
  languages.python.enable = true;
  languages.python.venv = { enable = true; requirements = ./requirements.txt; };
}
"""
ARROWS = ["nix.building.python-dependencies", "nix.building.nix-image-app.tar", "nix.pushed"]


def require(app: Path, more: str) -> None:
    """Let the app ask for one package more."""
    file = app / "requirements.txt"
    file.write_text(f"{file.read_text()}{more}\n")


def wait_for(world: World, word: str, seconds: float = 40) -> psutil.Process:
    """The process of Nix's, or of its builders, that has `word` among its arguments."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for process in nix_processes(world):
            try:
                if word in process.cmdline():
                    return process
            except psutil.Error:
                continue
        time.sleep(0.02)
    raise AssertionError(f"{word} never ran")


@pytest.mark.parametrize("point", ARROWS)
def test_the_worker_dies_while_nix_builds(broken: World, faults: Faults, point: str) -> None:
    app = change(broken, point)
    if point == ARROWS[0]:
        require(app, "six==1.16.0")
        broken.commit(app, point)
    faults.order(point, "kill")
    push = push_in_background(broken, app)
    faults.wait_hit(point)
    output, _ = push.communicate(timeout=90)
    faults.clear()
    assert "The worker was lost" in output
    assert_sound(broken, app, point)


def test_the_worker_dies_while_packages_are_fetched(broken: World, faults: Faults) -> None:
    app = change(broken, "fetching")
    require(app, "colorama==0.4.6")
    broken.commit(app, "fetching")
    faults.order("build.command", "kill")
    output, _ = push_in_background(broken, app).communicate(timeout=90)
    faults.wait_hit("build.command")
    faults.clear()
    assert "Using Python" in output and "The worker was lost" in output
    assert_sound(broken, app, "fetching")


def test_the_worker_dies_while_a_repository_is_evaluated(broken: World, faults: Faults) -> None:
    app = change(broken, "evaluating")
    (app / "devenv.nix").write_text(DEVENV)
    (app / "nixpacks.toml").write_text('providers = ["devenv"]\n')
    broken.commit(app, "devenv")
    faults.order("build.command", "kill")
    output, _ = push_in_background(broken, app).communicate(timeout=90)
    faults.clear()
    assert "Evaluating devenv.nix" in output and "The worker was lost" in output
    assert_sound(broken, app, "evaluating")
    (app / "devenv.nix").unlink()
    (app / "nixpacks.toml").unlink()
    broken.commit(app, "no devenv")


def test_a_builder_does_not_outlive_its_worker(broken: World) -> None:
    """It says nothing and waits for nobody: no broken pipe would end it."""
    app = change(broken, "endless")
    (app / "nixpacks.toml").write_text('[phases.build]\ncmds = ["sleep 65431"]\n')
    broken.commit(app, "endless")
    push = push_in_background(broken, app)
    builder = wait_for(broken, "65431")
    kill(broken, "worker")
    assert psutil.wait_procs([builder], timeout=12)[0], "it goes on"
    output, _ = push.communicate(timeout=90)
    assert "The worker was lost" in output
    (app / "nixpacks.toml").unlink()
    broken.commit(app, "it ends")
    assert_sound(broken, app, "endless")


def test_the_worker_dies_in_the_midst_of_a_push_to_the_cache(broken: World, faults: Faults) -> None:
    app = change(broken, "copying")
    (app / "large").write_bytes(os.urandom(64 * 1024**2))
    broken.commit(app, "large")
    faults.order("nix.built", "pause")
    push = push_in_background(broken, app)
    hit = faults.wait_hit("nix.built")
    hit.unlink()
    copy = wait_for(broken, "copy")
    kill(broken, "worker")
    assert psutil.wait_procs([copy], timeout=12)[0], "it goes on"
    output, _ = push.communicate(timeout=90)
    assert "The worker was lost" in output
    assert_sound(broken, app, "copying")
    (app / "large").unlink()
    broken.commit(app, "small")


def test_nix_itself_dies(broken: World, faults: Faults) -> None:
    app = change(broken, "no-nix")
    (app / "nixpacks.toml").write_text('[phases.build]\ncmds = ["sleep 65430"]\n')
    broken.commit(app, "no-nix")
    push = push_in_background(broken, app)
    builder = wait_for(broken, "65430")
    wait_for(broken, "--out-link").send_signal(signal.SIGKILL)
    output, _ = push.communicate(timeout=60)
    assert "Nix was ended by signal 9" in output and "Push rejected" in output
    assert psutil.wait_procs([builder], timeout=5)[0]
    (app / "nixpacks.toml").unlink()
    broken.commit(app, "with Nix")
    assert_sound(broken, app, "no-nix")


def test_the_disk_fills_while_nix_builds(broken: World, faults: Faults) -> None:
    app = change(broken, "full")
    faults.order("nix.building.app", "full")
    output, _ = push_in_background(broken, app).communicate(timeout=90)
    faults.clear()
    assert "No space left on device" in output and "Push rejected" in output
    assert_sound(broken, app, "full")
