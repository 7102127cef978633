"""What has been found out or fetched before, by key: JSON files that may be lost at any time."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from paas.instance import Instance
from paas.nix.store import Store


class Records:
    """Facts in `cache/nix-records`; each names the store paths without which it means nothing."""

    def __init__(self, instance: Instance, store: Store) -> None:
        self._folder = instance.cache / "nix-records"
        self._store = store

    def find(self, kind: str, key: str) -> Any | None:
        """What was kept, unless a path of it has left the store."""
        try:
            record = json.loads(self._path(kind, key).read_text())
            paths, value = record["paths"], record["value"]
        except (OSError, ValueError, KeyError):
            return None
        if not all(os.path.lexists(self._store.physical(path)) for path in paths):
            return None
        return value

    def keep(self, kind: str, key: str, value: Any, paths: list[str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(kind, key)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.write_text(json.dumps({"value": value, "paths": paths}))
        draft.replace(path)

    def _path(self, kind: str, key: str) -> Path:
        return self._folder / f"{kind}-{key}.json"


def key_of(*parts: str | bytes) -> str:
    """A name for all of `parts` in this order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(data)}\0".encode() + data)
    return digest.hexdigest()[:40]
