"""Builds by Nix in a backup, and back into the empty store of another machine."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from paas.instance import Instance, current
from paas.keys import NIX_KEY, ensure_keys
from paas.launcher import backup as backups
from paas.launcher.errors import LaunchError
from paas.nix import saved, signing
from paas.nix.cache_folder import CacheFolder, key_of
from paas.nix.errors import NixFailed, NotSigned
from paas.nix.publish import publish
from paas.nix.store import Store
from paas.runtimes.base import Artifact
from tests.nix import release

KEPT = "0a000000-0000-4000-8000-000000000001"


@pytest.fixture
def built(
    nix_instance: Instance, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Artifact:
    """A kept release of an instance with a database, and a build that nobody keeps."""
    monkeypatch.setenv("PAAS_NIX_STORE", str(store.config.directory))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = release.make(store, tmp_path / "build")
    release.make(store, tmp_path / "build", {"public/index.html": "of nobody"})
    publish(nix_instance, store, KEPT, [made.path])
    artifact = json.dumps({"kind": "nix", "path": made.path})
    with closing(sqlite3.connect(nix_instance.database)) as database, database:
        database.execute("CREATE TABLE builds_build (id TEXT PRIMARY KEY, artifact TEXT)")
        database.execute("INSERT INTO builds_build VALUES (?, ?)", [KEPT, artifact])
    return made


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """Another machine: another PAAS_HOME. Its store is empty, once `move` was called."""
    home = str(tmp_path / "there")
    return current({"PAAS_HOME": home, "PAAS_RUN": str(tmp_path / "there-run")})


def move(there: Instance, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("PAAS_NIX_STORE", str(there.home.parent / "there-store"))
    return Store.of(there)


def save(instance: Instance, file: Path) -> None:
    backups.backup(file, artifacts=True, instance=instance)


def test_a_kept_build_comes_back(
    nix_instance: Instance, store: Store, there: Instance, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    save(nix_instance, tmp_path / "b")
    assert not list(nix_instance.home.glob("tmp*")), "nothing is left of the draft"
    closure = store.requisites([built.path])
    elsewhere = move(there, monkeypatch)
    shutil.rmtree(nix_instance.cache)
    backups.restore(tmp_path / "b", instance=there)
    assert elsewhere.requisites([built.path]) == closure
    assert elsewhere.roots.all() == {KEPT: [built.path]}
    assert (elsewhere.physical(built.path) / "environment.json").is_file()
    folder = CacheFolder(there.cache / "nix")
    assert folder.lacks(closure) == [] and folder.usage().paths == len(closure)
    assert elsewhere.collect() == 0, "its root holds it"
    assert saved.bring_back(there) == 0, "there is nothing left to do"


def test_what_the_cache_has_not_is_saved_too(
    nix_instance: Instance, there: Instance, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The cache was deleted, or is another's."""
    (nix_instance.cache / "nix" / f"{key_of(built.path)}.narinfo").unlink()
    save(nix_instance, tmp_path / "some")
    shutil.rmtree(nix_instance.cache)
    save(nix_instance, tmp_path / "none")
    elsewhere = move(there, monkeypatch)
    for name in ("some", "none"):
        backups.restore(tmp_path / name, force=True, instance=there)
        assert elsewhere.is_valid(built.path)
        elsewhere.roots.remove(KEPT)
        elsewhere.collect()
        assert not elsewhere.is_valid(built.path)


def test_what_another_has_signed_is_refused(
    nix_instance: Instance, there: Instance, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ensure_keys(there)
    draft = there.cache / "nix"
    draft.mkdir(parents=True)
    (there.home / "nix").mkdir()
    roots = dict(saved.save(nix_instance, draft))
    (there.home / "nix" / saved.LIST).write_text(json.dumps(roots))
    elsewhere = move(there, monkeypatch)
    with pytest.raises(NotSigned, match="lacks a valid signature"):
        saved.bring_back(there)
    shutil.copy2(nix_instance.keys / NIX_KEY, there.keys / NIX_KEY)
    info = draft / f"{key_of(built.path)}.narinfo"
    good = info.read_text()
    info.write_text(good.replace("NarSize: ", "NarSize: 1"))
    with pytest.raises(NotSigned):
        saved.bring_back(there)
    info.write_text(good)
    archive = draft / CacheFolder(draft).entry(key_of(built.path)).archive  # type: ignore[union-attr]
    whole = archive.read_bytes()
    archive.unlink()  # it is a link to the other machine's
    archive.write_bytes(whole[:-7] + b"changed")
    with pytest.raises(NixFailed):
        saved.bring_back(there)
    assert not elsewhere.is_valid(built.path)
    archive.write_bytes(whole)
    assert saved.bring_back(there) == 1
    assert elsewhere.is_valid(built.path)


def test_a_restore_that_was_killed_goes_on_with_make_up(
    nix_instance: Instance, there: Instance, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    save(nix_instance, tmp_path / "b")
    elsewhere = move(there, monkeypatch)
    monkeypatch.setattr(backups.nix, "bring_back", lambda instance: None)  # killed before it
    backups.restore(tmp_path / "b", instance=there)
    monkeypatch.undo()
    elsewhere = move(there, monkeypatch)
    assert not elsewhere.is_valid(built.path)
    backups.nix.bring_back(there)
    assert elsewhere.is_valid(built.path) and elsewhere.roots.all() == {KEPT: [built.path]}


def test_without_nix_nothing_is_put_in_place(
    nix_instance: Instance, there: Instance, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    save(nix_instance, tmp_path / "b")
    backups.backup(tmp_path / "small", instance=nix_instance)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match=r"Nix is missing.*without --artifacts"):
        backups.restore(tmp_path / "b", instance=there)
    assert [path.name for path in there.home.iterdir()] == ["launcher.lock"]
    backups.restore(tmp_path / "small", instance=there)
    monkeypatch.setenv("PATH", path)


def test_what_has_left_the_store_is_no_hindrance(
    nix_instance: Instance, store: Store, there: Instance, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    store.roots.link("lost").symlink_to("/nix/store/00000000000000000000000000000000-x")
    save(nix_instance, tmp_path / "b")
    elsewhere = move(there, monkeypatch)
    backups.restore(tmp_path / "b", instance=there)
    assert elsewhere.roots.all() == {KEPT: [built.path]}


def test_the_key_of_the_backup_is_the_one_that_counts(
    nix_instance: Instance, there: Instance, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    save(nix_instance, tmp_path / "b")
    move(there, monkeypatch)
    backups.restore(tmp_path / "b", instance=there)
    keys = [(one.keys / NIX_KEY).read_text() for one in (nix_instance, there)]
    assert signing.public_key(keys[0]) == signing.public_key(keys[1])
    assert (there.keys / NIX_KEY).stat().st_mode & 0o777 == 0o600
