"""What a Python tree installs of itself, as a store path beside the dependencies.

The build backends run outside of Nix, as with the host builder (see
`builders.project`): they may fetch what they need. What comes out is added by
its contents, so a change of the source that changes nothing of it ships nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.version import Version

from apps.builds.builders import project
from apps.builds.builders.nix.fetch import Fetcher
from apps.builds.builders.nix.packages import Package
from apps.builds.builders.toolchains import Interpreter
from buildpacks.plan import PythonDependencies
from paas.sandbox import Bind, copy_tree, remove_tree

_TIMES = "uv_cache.json"  # uv's note of when it installed


def install(
    fetcher: Fetcher,
    needs: PythonDependencies,
    files: Mapping[str, bytes],
    python: Package,
    version: str,
) -> tuple[str | None, tuple[str, ...]]:
    """The prefix for /deps/project, None without one, and what it asks for besides a lock.

    Raises:
        BuildFailed: a package of the tree cannot be built.
    """
    closure = tuple(Bind(fetcher.store.physical(path), path) for path in python.closure)
    prefix = Path(python.path)
    interpreter = Interpreter(prefix / "bin/python3", Version(version), prefix, closure)
    job = project.Job(fetcher.job, needs, interpreter, files)
    if not job.needed:
        return None, ()
    layer = project.install(fetcher.instance, job, fetcher.log, fetcher.guard)
    copy = fetcher.job.tree.parent / "project"
    try:
        copy_tree(layer.path, copy)
        _forget_times(copy)
        return fetcher.store.add(copy, "project"), layer.requires
    finally:
        remove_tree(copy)


def _forget_times(folder: Path) -> None:
    """Nothing in it may depend on when it was made."""
    for cache in [path for path in folder.rglob("__pycache__") if not path.is_symlink()]:
        remove_tree(cache)
    for note in folder.rglob(f"*.dist-info/{_TIMES}"):
        note.unlink()
    for record in folder.rglob("*.dist-info/RECORD"):
        lines = record.read_text(errors="surrogateescape").splitlines(keepends=True)
        kept = [line for line in lines if _TIMES not in line and "__pycache__" not in line]
        record.write_text("".join(kept), errors="surrogateescape")
