"""Delete shared dependencies that no kept artifact uses, and caches of deleted apps."""

from __future__ import annotations

import json
import time
from pathlib import Path

from paas.instance import Instance
from paas.sandbox import remove_tree

UNUSED_AFTER = 24 * 3600.0
"""Seconds since the last build that used them; one that is going on may not be recorded yet."""


def sweep_dependencies(instance: Instance, unused_after: float = UNUSED_AFTER) -> list[Path]:
    """Delete what no artifact names and no build has used for `unused_after` seconds.

    Returns:
        what was deleted. An artifact whose record cannot be read keeps everything.
    """
    store = instance.cache / "dependencies"
    used = _used(instance, store)
    if used is None or not store.is_dir():
        return []
    oldest = time.time() - unused_after
    gone = [path for path in store.iterdir() if path.is_dir() and path.name not in used]
    gone = [path for path in gone if path.stat().st_mtime < oldest]
    for path in gone:
        doomed = path.rename(path.with_name(f".{path.name}.gone"))  # not found by builds any more
        remove_tree(doomed)
    return gone


def forget_app(instance: Instance, app_number: int) -> None:
    """Delete the download cache of a deleted app; harmless when there is none."""
    remove_tree(instance.cache / "apps" / str(app_number))


def _used(instance: Instance, store: Path) -> set[str] | None:
    """Names in `store` that mounts of artifacts lie in; None when one cannot be read."""
    used: set[str] = set()
    for record in instance.artifacts.glob("*/artifact.json"):
        try:
            sources = [Path(one["source"]) for one in json.loads(record.read_text())["mounts"]]
            used |= {
                source.relative_to(store).parts[0] for source in sources if store in source.parents
            }
        except FileNotFoundError:
            continue  # just deleted with its release
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return used
