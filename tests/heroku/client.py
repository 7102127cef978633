"""Heroku's CLI, unmodified, spoken to one instance."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.world import World

PROGRAM = Path(__file__).parent / "node_modules" / ".bin" / "heroku"
TIMEOUT = 90  # seconds a command may take on a busy machine


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)


class Heroku:
    """The CLI of one user with a home of its own, in a folder like a user's shell."""

    def __init__(self, world: World, token: str, home: Path) -> None:
        self.world = world
        self._token, self._home = token, home
        home.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this machine but the way to node and git.

        The CLI sends the token to a service of Heroku's beside each `GET
        /account`; HEROKU_PARTICLEBOARD_URL keeps that here, too.
        """
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "HEROKU_HOST": self.world.origin,
            "HEROKU_PARTICLEBOARD_URL": self.world.origin,
            "HEROKU_API_KEY": self._token,
            "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
            "DISABLE_TELEMETRY": "true",
            "GIT_TERMINAL_PROMPT": "0",
            "NO_COLOR": "1",
        }

    def __call__(
        self,
        *arguments: str,
        cwd: Path | None = None,
        code: int = 0,
        stdin: str = "",
    ) -> Done:
        """Run a command; `code` is the exit status it must end with."""
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            cwd=cwd or self._home,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        shown = f"heroku {' '.join(arguments)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, shown
        return Done(done.returncode, done.stdout, done.stderr)

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on until it is stopped."""
        return subprocess.Popen(
            [str(PROGRAM), *arguments],
            cwd=self._home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
