"""Pushing what is wrong, and what must be said of it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.world import World


def push_files(
    world: World, app: Path, files: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Push a commit with these files on top of the good one; afterwards the tree is good again."""
    for name, text in files.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text)
    return push_tree(world, app)


def push_tree(world: World, app: Path) -> subprocess.CompletedProcess[str]:
    """Push the tree as it stands, likewise."""
    world.commit(app, "bad")
    pushed = world.git("push", "-f", "paas", "main", cwd=app, check=False)
    world.git("reset", "-q", "--hard", "HEAD~1", cwd=app)
    world.git("clean", "-qfdx", cwd=app)
    return pushed


def assert_rejected(pushed: subprocess.CompletedProcess[str], *texts: str) -> None:
    """It was refused, and says all of `texts`."""
    assert pushed.returncode != 0, pushed.stderr
    assert "Push rejected" in pushed.stderr
    assert "Traceback (most recent call last)" not in pushed.stderr
    for text in texts:
        assert text in pushed.stderr, pushed.stderr
