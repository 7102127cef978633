"""Collections beside everything else: while builds, deploys and rollbacks go on, and killed."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paas.instance import Instance
from paas.nix import errors, room
from paas.nix.cache import Cache
from paas.nix.cache_folder import CacheFolder
from paas.nix.publish import publish
from paas.nix.store import Store
from paas.nix.sweep import sweep_store
from tests.nix import release

COLLECT = """
import sys
from pathlib import Path
from paas.instance import current
from paas.nix import room
from paas.nix.cache import Cache
from paas.nix.store import Store
instance = current()
print("begins", flush=True)
room.collect(Store.of(instance), Cache.of(instance), keep_outputs=False)
"""
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def cache(nix_instance: Instance) -> Cache:
    return Cache.of(nix_instance, {})


@pytest.fixture
def collections(
    nix_instance: Instance, store: Store, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], int]]:
    """Collections of all kinds, one after the other; how many there were."""
    monkeypatch.setenv("PAAS_NIX_STORE", str(store.config.directory))
    enough, done, failures = threading.Event(), [0], list[BaseException]()

    def collect() -> None:
        while not enough.is_set():
            try:
                sweep_store(nix_instance, every=0)
                room.collect(Store(store.config), cache, keep_outputs=False)
                done[0] += 1
            except errors.StoreBusy:
                time.sleep(0.01)
            except BaseException as error:
                failures.append(error)
                raise

    thread = threading.Thread(target=collect)
    thread.start()
    yield lambda: done[0]
    enough.set()
    thread.join()
    assert not failures


def _aged(cache: Cache) -> None:
    """As if every push were long ago, so that only roots count."""
    assert cache.folder is not None
    for path in cache.folder.root.rglob("*"):
        try:
            os.utime(path, (0, 0))
        except FileNotFoundError:
            continue  # collected a moment ago


def test_what_is_kept_stays_while_everything_goes_on(
    nix_instance: Instance, store: Store, cache: Cache, tmp_path: Path,
    collections: Callable[[], int],
) -> None:  # fmt: skip
    """Builds come, the oldest of three goes each time, and an older one comes back (a rollback)."""
    kept: dict[str, str] = {}
    assert cache.folder is not None
    for number in range(9):
        name = f"b{number}x"
        with store.in_use():
            files = {"public/index.html": f"{number}\n"}
            path = release.make(store, tmp_path / "build", files).path
            store.add_root(name, path)
        publish(nix_instance, store, name, [path])
        _aged(cache)
        kept[name] = path
        if len(kept) > 3:
            oldest = next(iter(kept))
            again = kept.pop(oldest)
            if number % 2:
                kept[f"r{number}x"] = again
                publish(nix_instance, store, f"r{number}x", [again])
            store.roots.remove(oldest)
        for path in kept.values():
            closure = store.requisites([path])
            assert all(store.physical(one).exists() for one in closure)
            assert cache.folder.lacks(closure) == []
    assert collections() > 0
    assert set(store.roots.all()) == set(kept)


def _rubbish(store: Store, folder: Path, count: int) -> list[str]:
    folder.mkdir()
    for number in range(count):
        (folder / f"rubbish{number}").write_text(f"{number}" * 50)
    return store.add_fixed("sha256", sorted(folder.iterdir()))


def test_a_killed_collection_harms_nothing(
    nix_instance: Instance, store: Store, cache: Cache, tmp_path: Path
) -> None:
    kept = release.make(store, tmp_path / "build").path
    publish(nix_instance, store, "b1", [kept])
    rubbish = _rubbish(store, tmp_path / "rubbish", 1500)
    folder = cache.folder
    assert folder is not None
    cache.push(store, rubbish[:60])
    _aged(cache)
    environ = {
        **os.environ,
        "PAAS_HOME": str(nix_instance.home),
        "PAAS_RUN": str(nix_instance.run),
        "PAAS_NIX_STORE": str(store.config.directory),
    }
    for delay in (0.0, 0.1, 0.4):
        process = subprocess.Popen(
            [sys.executable, "-c", COLLECT], env=environ, cwd=CHECKOUT, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _check_cache(folder)
        closure = store.requisites([kept])
        assert all(store.physical(one).exists() for one in closure)
        assert folder.lacks(closure) == []
    with store.in_use():
        pass  # what its parent has left alone has ended
    room.collect(store, cache, keep_outputs=False)
    assert not any(store.physical(path).exists() for path in rubbish)
    assert folder.usage().paths == 3
    store.run("nix-store", "--verify", "--check-contents")
    assert store.is_valid(kept)


def _check_cache(folder: CacheFolder) -> None:
    """Whatever is listed is there, and so is all that it needs."""
    entries = folder.entries()
    for entry in entries.values():
        assert (folder.root / entry.archive).is_file()
        assert entries.keys() >= set(entry.references)


def test_no_build_begins_beside_a_collection_that_was_left_alone(
    store: Store, tmp_path: Path
) -> None:
    """The panel is killed, Nix is not: it holds the lock, too, so a build's sources are safe."""
    store.prepare()
    slow = store.config.home / "sh"
    slow.write_text("#!/bin/sh\nsleep 30; exit\n")
    slow.chmod(0o755)
    script = (
        "import sys; from pathlib import Path; from paas.nix.store import Store\n"
        "from paas.instance import current\n"
        "store = Store.of(current())\n"
        "run = store.run\n"
        "store.run = lambda *argv, **how: run(sys.argv[1], holding=how['holding'])\n"
        "print('begins', flush=True); store.collect()\n"
    )
    environ = {
        **os.environ,
        "PAAS_HOME": str(store.config.owner),
        "PAAS_NIX_STORE": str(store.config.directory),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(slow)], env=environ, cwd=CHECKOUT,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    child = _child_of(process.pid, "sh")
    process.kill()
    process.wait()
    try:
        with (store.config.home / "lock").open("w") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.killpg(os.getpgid(child), signal.SIGKILL)
    with store.in_use():
        pass


def _child_of(pid: int, name: str) -> int:
    deadline = time.monotonic() + 20
    while True:
        argv = ["pgrep", "-x", "-P", str(pid), name]
        found = subprocess.run(argv, capture_output=True, text=True).stdout
        if found.strip():
            return int(found.split()[0])
        assert time.monotonic() < deadline
        time.sleep(0.05)
