"""`paas backup FILE` and `paas restore FILE`: everything an instance needs to come back.

A backup holds the database, the repositories, the keys and credentials, the
sources and logs of builds and releases, and, if asked, the artifacts with the
dependencies they share, and what kept builds by Nix run from. It does not hold
the apps' own logs, caches, or Redis: the queue is rebuilt from the database.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from paas.instance import Instance, current, make_private
from paas.launcher import nix, postgres
from paas.launcher.archive import (
    FORMAT,
    ArchiveError,
    Manifest,
    Writer,
    read_manifest,
    unpack,
    writing,
)
from paas.launcher.errors import LaunchError
from paas.launcher.lock import LOCK_FILE, only_launcher
from paas.nix import saved
from paas.nix.errors import NixError
from paas.sandbox import INSTALLER, uid_for

_SQLITE = "db.sqlite3"
_POSTGRES = "db.pgdump"
_UNFINISHED = ".restore"
_NIX_CREDENTIALS = (".aws", ".config", "conf/netrc")
"""Below `nix`: how the binary cache is reached where it is another's."""


class Connection(Protocol):
    """What `sqlite3` and `psycopg` connections have in common."""

    def execute(self, query: str, params: tuple[object, ...] = ..., /) -> Any: ...


class BackupError(LaunchError):
    """A backup or restore that was refused; the text says why and what to do."""


@dataclass(frozen=True)
class Restored:
    """What came back. `set_aside` holds the former state after a forced restore."""

    manifest: Manifest
    set_aside: Path | None


def backup(path: Path, *, artifacts: bool = False, instance: Instance | None = None) -> Manifest:
    """Write a consistent backup to `path` (0600), while the instance runs or not.

    Args:
        artifacts: with them every app starts at once after a restore; without
            them the file is small and each app comes back with its next build.

    Raises:
        LaunchError: there is no instance, or its database cannot be dumped.
        OSError: `path` cannot be written.
    """
    here = instance or current()
    if not here.keys.is_dir():
        raise BackupError(f"There is no instance in {here.home}. Set PAAS_HOME to one.")
    database = os.environ.get("DATABASE_URL", "")
    manifest = Manifest(
        format=FORMAT,
        version=metadata.version("paas"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        home=str(here.home),
        database="postgresql" if postgres.is_url(database) else "sqlite",
        artifacts=artifacts,
        first_uid=uid_for(INSTALLER, here.home),
    )
    with writing(path, manifest) as archive, tempfile.TemporaryDirectory(dir=here.home) as scratch:
        if manifest.database == "postgresql":
            archive.add(postgres.dump(database, Path(scratch) / _POSTGRES), _POSTGRES)
        else:
            archive.add(_copy_sqlite(here.database, Path(scratch) / _SQLITE), _SQLITE)
        for entry in _kept(here, artifacts=artifacts):
            archive.add_tree(entry, str(entry.relative_to(here.home)))
        if artifacts:
            _add_builds_by_nix(archive, here, Path(scratch))
    return manifest


def restore(path: Path, *, force: bool = False, instance: Instance | None = None) -> Restored:
    """Bring the instance in `path` back, into an empty `PAAS_HOME`.

    Args:
        force: take a `PAAS_HOME` that is in use; what is in the way is set aside, not deleted.

    Raises:
        LaunchError: the instance runs, is not empty, or the backup is not whole. If builds by
            Nix cannot be brought back, the rest is in place, and `make up` tries it again.
        OSError: `PAAS_HOME` cannot be written.
    """
    here = instance or current()
    with only_launcher(here):
        if not force:
            _refuse_used(here)
        manifest = read_manifest(path)
        _refuse_other_kind(manifest)
        staged = _empty(here.home / _UNFINISHED)
        try:
            unpack(path, staged, lambda uid: _new_owner(uid, manifest, here))
            _require_nix(staged, here)
            _load_database(manifest, staged, here)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        restored = Restored(manifest, _put_in_place(staged, here))
        nix.bring_back(here)
        return restored


# --- what a backup holds ----------------------------------------------------
def _kept(instance: Instance, *, artifacts: bool) -> list[Path]:
    kept = [
        instance.repositories,
        instance.keys,
        instance.credentials,
        instance.admin_password,
        instance.sources,
        instance.build_logs,
        instance.release_logs,
        *(instance.home / "nix" / name for name in _NIX_CREDENTIALS),
    ]
    return kept + ([instance.artifacts, instance.cache / "dependencies"] if artifacts else [])


def _add_builds_by_nix(archive: Writer, instance: Instance, scratch: Path) -> None:
    if not saved.any_kept(instance):
        return
    draft, note = scratch / "nix", scratch / saved.LIST
    draft.mkdir()
    try:
        note.write_text(json.dumps(saved.save(instance, draft)))
    except NixError as error:
        raise BackupError(
            f"The builds by Nix cannot be saved: {error} Take a backup without --artifacts, or "
            "set PAAS_NIX_STORE as for `make up`."
        ) from error
    archive.add_tree(draft, "cache/nix")
    archive.add(note, f"nix/{saved.LIST}")


def _copy_sqlite(database: Path, copy: Path) -> Path:
    """SQLite's online backup: consistent while others write."""
    if not database.is_file():
        raise BackupError(f"There is no database {database}. Start the instance once: `make up`.")
    with (
        closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    copy.chmod(0o600)
    return copy


# --- putting it back --------------------------------------------------------
def _refuse_used(instance: Instance) -> None:
    if (instance.home / _UNFINISHED).exists():
        return  # a restore was cut off here: what there is came from it
    used = sorted(entry.name for entry in instance.home.iterdir() if entry.name != LOCK_FILE)
    if used:
        raise BackupError(
            f"{instance.home} is not empty ({', '.join(used[:5])}). Restore into another "
            "PAAS_HOME, or use --force, which sets aside what is there."
        )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return make_private(folder)


def _refuse_other_kind(manifest: Manifest) -> None:
    wants_postgres = manifest.database == "postgresql"
    if wants_postgres != postgres.is_url(os.environ.get("DATABASE_URL", "")):
        raise BackupError(
            f"The backup's database is {manifest.database}. "
            + ("Set DATABASE_URL to an empty one." if wants_postgres else "Unset DATABASE_URL.")
        )
    if manifest.artifacts and manifest.first_uid is None and os.geteuid() == 0:
        raise BackupError(
            "The backup's artifacts belong to a plain user's instance, where apps have no users of "
            "their own. Restore it as a plain user, or take a backup without artifacts."
        )


def _require_nix(staged: Path, instance: Instance) -> None:
    """Builds by Nix need it to come back; said before anything is in place."""
    if not (staged / "nix" / saved.LIST).exists():
        return
    try:
        nix.check_nix(instance)
    except LaunchError as error:
        raise BackupError(
            f"The backup holds builds by Nix, which need it here, too: {error} Or take a backup "
            "without --artifacts."
        ) from error


def _new_owner(uid: int, manifest: Manifest, instance: Instance) -> int | None:
    """Each PAAS_HOME has its own range of users: app n's files go to the n-th user here."""
    if manifest.first_uid is None or uid < manifest.first_uid:
        return None
    return uid_for(uid - manifest.first_uid, instance.home)


def _load_database(manifest: Manifest, staged: Path, instance: Instance) -> None:
    """Make the database know this PAAS_HOME's artifacts; PostgreSQL's is loaded into place.

    Raises:
        LaunchError: there is no database in the backup, or it cannot be loaded.
    """
    dump = staged / (_POSTGRES if manifest.database == "postgresql" else _SQLITE)
    if not dump.is_file():
        raise ArchiveError("The backup holds no database. Use another backup.")
    if manifest.database == "postgresql":
        url = os.environ["DATABASE_URL"]
        postgres.load(url, dump)
        with postgres.connect(url) as connection:
            _adapt_artifacts(connection, "%s", manifest, instance)
    else:
        with closing(sqlite3.connect(dump)) as connection, connection:
            _adapt_artifacts(connection, "?", manifest, instance)


def _adapt_artifacts(
    database: Connection, mark: str, manifest: Manifest, instance: Instance
) -> None:
    """Artifacts are known by their full path: give them this PAAS_HOME's, or forget them.

    Args:
        mark: how this database's driver marks a parameter.
    """
    if not manifest.artifacts:
        database.execute("UPDATE builds_build SET artifact = NULL")
        return
    known = "SELECT id, CAST(artifact AS text) FROM builds_build WHERE artifact IS NOT NULL"
    change = f"UPDATE builds_build SET artifact = {mark} WHERE id = {mark}"  # noqa: S608 - marks
    for key, text in database.execute(known).fetchall():
        moved = _moved(json.loads(text), manifest.home, str(instance.home))
        database.execute(change, (json.dumps(moved), key))


def _moved(value: object, old: str, new: str) -> object:
    if isinstance(value, str):
        return new + value[len(old) :] if value == old or value.startswith(old + "/") else value
    if isinstance(value, list):
        return [_moved(item, old, new) for item in value]
    if isinstance(value, dict):
        return {key: _moved(item, old, new) for key, item in value.items()}
    return value


def _put_in_place(staged: Path, instance: Instance) -> Path | None:
    """Rename all into `PAAS_HOME`, the database last; returns where the former state lies."""
    aside = instance.home / f"before-restore-{time.time_ns()}"
    others = [e for e in instance.home.iterdir() if e.name not in (LOCK_FILE, _UNFINISHED)]
    for entry in others:
        make_private(aside)
        if not entry.name.startswith("before-restore-"):
            entry.rename(aside / entry.name)
    for entry in sorted(staged.iterdir(), key=lambda e: e.name in (_SQLITE, _POSTGRES)):
        if entry.name != _POSTGRES:
            entry.rename(instance.home / entry.name)
    shutil.rmtree(staged)
    return aside if aside.exists() else None
