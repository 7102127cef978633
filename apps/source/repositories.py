"""Bare repositories, one an app, named by its id so that a rename costs nothing."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

from django.conf import settings

from paas.sandbox import remove_tree


def repository_path(app_id: uuid.UUID) -> Path:
    return Path(settings.INSTANCE.repositories) / f"{app_id}.git"


def ensure_repository(app_id: uuid.UUID) -> Path:
    """The app's bare repository, made if it is not there (`git init` may be repeated)."""
    path = repository_path(app_id)
    if not (path / "HEAD").exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        subprocess.run(
            [
                "git",
                "init",
                "--quiet",
                "--bare",
                "--template=",
                "--initial-branch=main",
                "--",
                path,
            ],
            check=True,
            capture_output=True,
            env={"PATH": _path(), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"},
        )
    return path


def set_head(app_id: uuid.UUID, branch: str) -> None:
    """Make `branch` (checked by the catalog) what a clone checks out."""
    head = repository_path(app_id) / "HEAD"
    text = f"ref: refs/heads/{branch}\n"
    if head.read_text() != text:
        draft = head.with_name(f"HEAD.{uuid.uuid4().hex}")  # git may be reading it right now
        draft.write_text(text)
        draft.rename(head)


def delete_repository(app_id: uuid.UUID) -> None:
    remove_tree(repository_path(app_id))


def archive_path(build_id: uuid.UUID) -> Path:
    """Where the gateway puts the pushed commit of a build."""
    folder = Path(settings.INSTANCE.sources)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{build_id}.tar"


def archives() -> list[Path]:
    """All complete archives; their names are the ids of their builds."""
    return list(Path(settings.INSTANCE.sources).glob("*-*.tar"))


def _path() -> str:
    return os.environ.get("PATH", os.defpath)
