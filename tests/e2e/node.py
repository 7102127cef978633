"""A node of the fake cluster: `node.py FOLDER COMMAND...` is what runs in a container there.

Like nix-snapshotter it fetches the release from the panel's cache into the node's own store, with
the node's token, and shows the container that closure and nothing else. `FOLDER` is a `Node`'s.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from paas.sandbox import find_bwrap

_RELEASE = re.compile(r"/nix/store/[0-9a-z]{32}-[^/\s]+\Z")
_SEALED = ("--unshare-all", "--die-with-parent", "--uid", "1000", "--gid", "1000")
_OWN = ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/app", "--tmpfs", "/tmp", "--chdir", "/app")


@dataclass(frozen=True)
class Node:
    """A store without any right to build, which trusts one cache."""

    folder: Path

    def configure(self, cache: str, key: str, token: str) -> None:
        """
        Args:
            cache: its address. key: the public key that its contents are signed by.
            token: the node's.
        """
        (self.folder / "nix.conf").write_text(
            f"substituters = {cache}\ntrusted-public-keys = {key}\n"
            f"netrc-file = {self.folder}/netrc\nmax-jobs = 0\nbuild-users-group =\n"
            "experimental-features = nix-command\n"
        )
        (self.folder / "netrc").write_text(f"machine localhost login node-1 password {token}\n")

    @property
    def environment(self) -> dict[str, str]:
        """For Nix's commands, in this node's store."""
        return {
            "PATH": os.environ.get("PATH") or os.defpath,
            "HOME": str(self.folder),
            "NIX_CONF_DIR": str(self.folder),
            "NIX_REMOTE": str(self.folder / "store"),
        }

    def fetch(self, path: str) -> list[str]:
        """Have `path` here; its closure."""
        for command in (["--realise", path], ["--query", "--requisites", path]):
            argv = ["nix-store", *command]
            done = subprocess.run(argv, env=self.environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"the node cannot have {path}: {done.stderr}")
        return done.stdout.split()

    def physical(self, path: str) -> Path:
        """Where a store path lies on this machine."""
        return self.folder / "store" / path.lstrip("/")

    def exec(self, command: list[str]) -> None:
        """Become the container's process, on a network of its own."""
        (release,) = [word for word in command if _RELEASE.match(word)]
        shown = []
        for path in self.fetch(release):
            shown += ["--ro-bind", str(self.physical(path)), path]
        root = self.physical(release) / "root"
        for entry in root.iterdir():
            shown += ["--symlink", f"{release}/root/{entry.name}", f"/{entry.name}"]
        image = json.loads((self.physical(release) / "environment.json").read_text())
        program = find_bwrap().path
        argv = [str(program), *_SEALED, *shown, *_OWN, "--", *command]
        os.execve(program, argv, {**os.environ, **image})


if __name__ == "__main__":
    Node(Path(sys.argv[1])).exec(sys.argv[2:])
