"""A user's SSH: a key, the host's key, and git that uses both."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tests.e2e.world import World


class Keyring:
    """Keys of several people for one instance, whose host key is known from its own file."""

    def __init__(self, world: World) -> None:
        self._world, self._folder = world, world.folder / "keyring"
        self._folder.mkdir()
        host_key = self._run("ssh-keygen", "-y", "-f", world.home / "keys" / "ssh_host_ed25519_key")
        (self._folder / "known_hosts").write_text(f"[localhost]:{world.ssh_port} {host_key}")

    def make(self, who: str) -> Path:
        """A key pair; returns the public one."""
        path = self._folder / who
        self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", path)
        return path.with_suffix(".pub")

    def command(self, who: str) -> str:
        """For GIT_SSH_COMMAND."""
        settings = (
            f"IdentityFile={self._folder / who}",
            f"UserKnownHostsFile={self._folder / 'known_hosts'}",
            *("IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=yes"),
        )
        return shlex.join(["ssh", "-F", "none", *(p for one in settings for p in ("-o", one))])

    def git(self, who: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """git as `who`, whatever the world's own git uses."""
        return subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            env={**self._world.environment, "GIT_SSH_COMMAND": self.command(who)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def _run(self, *command: str | Path) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
