"""Finished environments by key, shared by builds: whole once they are there, and unchanging."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.builds.builders.steps import Guard
from paas.instance import Instance
from paas.sandbox import make_folder, remove_tree


class Store:
    """The environments of one instance, in `cache/dependencies`."""

    def __init__(self, instance: Instance) -> None:
        self.root = instance.cache / "dependencies"

    def find(self, key: str) -> Path | None:
        path = self.root / key
        if not path.is_dir():
            return None
        os.utime(path)  # whoever cleans up sees when it was last used
        return path

    @contextmanager
    def lock(self, key: str, guard: Guard) -> Iterator[None]:
        """Hold `key`: of two builds that want the same, one makes it, the other waits."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / f".{key}.lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    guard.check()
                    time.sleep(0.05)
            for corpse in self.root.glob(f".{key}.new-*"):  # of a builder that was killed
                remove_tree(corpse)
            yield

    def staging(self, key: str, uid: int | None) -> Path:
        return make_folder(self.root / f".{key}.new-{secrets.token_hex(4)}", uid)

    def keep(self, staging: Path, key: str) -> Path:
        staging.chmod(0o755)  # every app's user may read it; the folder above is closed
        return staging.rename(self.root / key)
