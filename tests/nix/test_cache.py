"""The binary cache with real Nix: another store is another node, and has no right to build."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from paas.instance import Instance, current
from paas.keys import NIX_KEY, KeysError, ensure_keys
from paas.nix import errors, room, signing
from paas.nix.cache import Cache
from paas.nix.cache_folder import INFO, CacheFolder, Usage, key_of
from paas.nix.publish import publish
from paas.nix.store import Store
from paas.runtimes.base import Artifact
from tests.nix import release
from tests.nix.conftest import NewStore


@pytest.fixture
def cache(nix_instance: Instance) -> Cache:
    return Cache.of(nix_instance, {})


@pytest.fixture
def built(store: Store, tmp_path: Path) -> Artifact:
    return release.make(store, tmp_path / "build")


def folder_of(cache: Cache) -> CacheFolder:
    assert cache.folder is not None
    return cache.folder


def node(new_store: NewStore, cache: Cache, key: str = "") -> Store:
    """Another machine's store, which trusts `key`, or else the cache's own."""
    keys = key or cache.public_key
    url = f"file://{folder_of(cache).root}"
    return new_store("node", PAAS_NIX_SUBSTITUTERS=url, PAAS_NIX_TRUSTED_KEYS=keys)


def pull(store: Store, path: str) -> None:
    """What nix-snapshotter does on a node."""
    store.run("nix-store", "--realise", path)


def change(store: Store, folder: Path) -> Artifact:
    """The same app after a change of one line."""
    return release.make(store, folder, {"public/index.html": "changed\n"})


# --- the way to a node ------------------------------------------------------------
def test_a_node_gets_a_build_from_the_cache_alone(
    new_store: NewStore, store: Store, cache: Cache, built: Artifact
) -> None:
    pushed = cache.push(store, [built.path])
    assert pushed is not None and pushed.paths == 3
    there = node(new_store, cache)
    pull(there, built.path)
    assert there.requisites([built.path]) == store.requisites([built.path])
    assert (there.physical(built.path) / "environment.json").is_file()


def test_what_nobody_trusted_has_signed_is_refused(
    new_store: NewStore, store: Store, cache: Cache, built: Artifact
) -> None:
    cache.push(store, [built.path])
    for stranger in (signing.public_key(signing.new_private_key()), "other:" + "A" * 43 + "="):
        there = node(new_store, cache, key=stranger)
        with pytest.raises(errors.NotSigned, match="not signed by any of the keys"):
            pull(there, built.path)
        assert not there.physical(built.path).exists()


def test_what_was_changed_after_signing_is_refused(
    new_store: NewStore, store: Store, cache: Cache, built: Artifact
) -> None:
    cache.push(store, [built.path])
    info = folder_of(cache).root / f"{key_of(built.path)}.narinfo"
    other = info.read_text().replace("NarSize: ", "NarSize: 1")
    unsigned = "".join(line for line in info.open() if not line.startswith("Sig:"))
    for text in (other, unsigned):
        info.write_text(text)
        with pytest.raises(errors.NotSigned):
            pull(node(new_store, cache), built.path)


def test_only_what_is_new_is_sent(
    new_store: NewStore, store: Store, cache: Cache, built: Artifact, tmp_path: Path
) -> None:
    first = cache.push(store, [built.path])
    assert cache.push(store, [built.path]) == Usage(0, 0)
    changed = change(store, tmp_path / "build")
    second = cache.push(store, [changed.path])
    assert first is not None and second is not None
    assert second.paths == 2  # the app and its release root
    assert second.size * 100 < first.size
    assert folder_of(cache).usage() == Usage(5, first.size + second.size)


def test_a_folder_may_have_any_name(store: Store, built: Artifact, tmp_path: Path) -> None:
    home = tmp_path / "a home & more? #1 %20"
    instance = current({"PAAS_HOME": str(home), "PAAS_RUN": str(tmp_path / "r")})
    ensure_keys(instance)
    cache = Cache.of(instance, {})
    cache.push(store, [built.path])
    info = (folder_of(cache).root / f"{key_of(built.path)}.narinfo").read_text()
    assert f"Sig: {signing.NAME}:" in info and "Compression: zstd" in info


def test_another_store_can_be_the_cache(
    nix_instance: Instance, new_store: NewStore, store: Store, built: Artifact, tmp_path: Path
) -> None:
    cache = Cache.of(nix_instance, {"PAAS_NIX_CACHE": str(tmp_path / "elsewhere")})
    elsewhere = new_store("elsewhere", PAAS_NIX_TRUSTED_KEYS=cache.public_key)
    elsewhere.prepare()  # the configuration is one file: it trusts the key when it is written to
    assert cache.push(store, [built.path]) is None
    assert elsewhere.is_valid(built.path)
    assert cache.collect([]) is None


def test_a_cache_that_cannot_be_reached_is_told(
    nix_instance: Instance, store: Store, built: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache.of(nix_instance, {"PAAS_NIX_CACHE": "ssh-ng://127.0.0.1"})
    monkeypatch.setenv("NIX_SSHOPTS", "-p 1")
    with pytest.raises(errors.CacheUnreachable, match="Connection refused"):
        cache.push(store, [built.path])


# --- the key ------------------------------------------------------------------------
def test_the_key_is_nixs_own_kind(nix_instance: Instance, cache: Cache, store: Store) -> None:
    path = nix_instance.keys / NIX_KEY
    assert path.stat().st_mode & 0o777 == 0o600
    store.prepare()
    done = subprocess.run(
        ["nix", "key", "convert-secret-to-public"],
        input=path.read_text(),
        env=store.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == cache.public_key
    assert cache.public_key.startswith("paas-ci:")


def test_a_key_that_others_can_read_is_no_secret(nix_instance: Instance) -> None:
    (nix_instance.keys / NIX_KEY).chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        Cache.of(nix_instance, {})


@pytest.mark.parametrize("text", ["", "paas-ci:", "paas-ci:!!", ":AAAA", "paas-ci:AAAA"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="signing key"):
        signing.public_key(text)


# --- what stays, what goes ------------------------------------------------------------
def test_what_no_kept_build_needs_goes(
    new_store: NewStore, store: Store, cache: Cache, built: Artifact, tmp_path: Path
) -> None:
    changed = change(store, tmp_path / "build")
    first, second = cache.push(store, [built.path]), cache.push(store, [changed.path])
    assert first is not None and second is not None
    folder = folder_of(cache)
    gone = folder.collect([changed.path], grace=0)
    assert gone.paths == 2 and gone.size > 0
    assert folder.lacks(store.requisites([changed.path])) == []
    assert folder.lacks([built.path]) == [built.path]
    pull(node(new_store, cache), changed.path)
    folder.collect([], grace=0)
    assert folder.usage() == Usage(0, 0)
    assert list((folder.root / "nar").iterdir()) == []
    assert (folder.root / INFO).is_file()


def test_what_was_pushed_just_now_stays(store: Store, cache: Cache, built: Artifact) -> None:
    cache.push(store, [built.path])
    folder = folder_of(cache)
    assert cache.collect([]) == Usage(0, 0)
    old = time.time() - 7200
    for path in (*folder.root.glob("*.narinfo"), *(folder.root / "nar").iterdir()):
        os.utime(path, (old, old))
    cache.push(store, [built.path])  # found there, and wanted again
    assert cache.collect([]) == Usage(0, 0)


def test_what_a_killed_push_has_left_goes(store: Store, cache: Cache, built: Artifact) -> None:
    cache.push(store, [built.path])
    folder = folder_of(cache)
    (folder.root / "nar" / "half.nar.zst.tmp.1").write_bytes(b"x" * 100)
    (folder.root / ("0" * 32 + ".narinfo")).write_text("StorePath: /nix/st")
    assert folder.collect([built.path], grace=0) == Usage(0, 100)
    assert folder.usage().paths == 3


def test_an_archive_that_two_paths_share_stays(store: Store, cache: Cache, tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("the same")
        paths.append(store.add(tmp_path / name))
    cache.push(store, paths)
    folder = folder_of(cache)
    assert len(list((folder.root / "nar").iterdir())) == 1
    assert folder.collect([paths[0]], grace=0).paths == 1
    assert len(list((folder.root / "nar").iterdir())) == 1


def test_a_collection_waits_for_pushes(store: Store, cache: Cache, built: Artifact) -> None:
    cache.push(store, [built.path])
    folder = folder_of(cache)
    with ThreadPoolExecutor(1) as pool:
        with folder.pushing(), folder.pushing():
            collection = pool.submit(folder.collect, [], grace=0)
            with pytest.raises(TimeoutError):
                collection.result(0.3)
        assert collection.result(30).paths == 3


def test_published_is_kept_and_in_the_cache(
    nix_instance: Instance, store: Store, cache: Cache, built: Artifact, tmp_path: Path
) -> None:
    changed = change(store, tmp_path / "build")
    for _ in range(2):
        publish(nix_instance, store, "b1", [built.path])
    publish(nix_instance, store, "b2", [changed.path])
    store.roots.remove("b1")
    folder = folder_of(cache)
    for info in folder.root.glob("*.narinfo"):
        os.utime(info, (0, 0))
    found = room.collect(store, cache)
    assert found.cache.paths == 2
    assert not store.is_valid(built.path) and store.is_valid(changed.path)
    assert folder.lacks(store.requisites([changed.path])) == []


# --- a full disk ------------------------------------------------------------------------
@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "small", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def noise(store: Store, folder: Path, name: str, megabytes: float) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(os.urandom(int(megabytes * 1024**2)))
    return store.add(folder / name)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_full_cache_is_collected_before_a_push_fails(
    nix_instance: Instance, store: Store, cache: Cache, tmp_path: Path
) -> None:
    folder = folder_of(cache)
    with small_disk(folder.root, 6):
        old = noise(store, tmp_path / "noise", "old", 4)
        cache.push(store, [old])
        for info in folder.root.rglob("*"):
            os.utime(info, (0, 0))
        new = noise(store, tmp_path / "noise", "new", 4)
        assert publish(nix_instance, store, "b1", [new]) == folder.usage([new])
        assert folder.lacks([new, old]) == [old]
        more = noise(store, tmp_path / "noise", "more", 4)
        with pytest.raises(errors.DiskFull, match="no more can be collected"):
            publish(nix_instance, store, "b2", [more])
        assert folder.lacks([new]) == []
        shutil.rmtree(folder.root / "nar")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_nearly_full_disk_is_collected_before_a_build(
    nix_instance: Instance, store: Store, cache: Cache, tmp_path: Path
) -> None:
    mib = 1024**2
    with small_disk(tmp_path / "store", 64):
        kept = noise(store, tmp_path / "noise", "kept", 4)
        store.add_root("b1", kept)
        noise(store, tmp_path / "noise", "lost", 40)
        room.ensure_room(store, cache, low=mib)
        assert shutil.disk_usage(tmp_path / "store").free < 20 * mib
        room.ensure_room(store, cache, low=22 * mib)
        assert shutil.disk_usage(tmp_path / "store").free > 22 * mib
        assert store.is_valid(kept)
        with pytest.raises(errors.DiskFull, match="Destroy apps"):
            room.ensure_room(store, cache, low=63 * mib)
        assert store.is_valid(kept)
