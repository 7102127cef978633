"""The folder `run`: taken for one instance at start, removed at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

from paas.instance import Instance, make_private
from paas.launcher.errors import LaunchError

_MARK = ".paas-run"


def take(instance: Instance) -> None:
    """Make `run` private to this instance; harmless when it is so already.

    Raises:
        LaunchError: it holds somebody else's files, which we would remove at the end.
        InstanceError: it belongs to another user.
    """
    run, mark = instance.run, instance.run / _MARK
    if run.is_dir() and not _is_ours(mark, instance.home) and any(run.iterdir()):
        raise LaunchError(
            f"{run} is not empty and is not this instance's, and paas empties it when it stops. "
            "Set PAAS_RUN to another folder, or leave it unset."
        )
    make_private(run)
    mark.write_text(f"{instance.home}\n")


def remove(instance: Instance) -> None:
    """Remove `run` with all that is in it, if it is this instance's."""
    if _is_ours(instance.run / _MARK, instance.home):
        shutil.rmtree(instance.run, ignore_errors=True)


def _is_ours(mark: Path, home: Path) -> bool:
    return mark.is_file() and mark.read_text().strip() == str(home)
