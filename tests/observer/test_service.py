"""The observer's loop, step by step: full disks, leaders, folders that come and go."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.logs import store
from paas.instance import Instance
from paas.observer import checkpoint
from paas.observer.__main__ import lead
from paas.observer.service import BLOCKED_SECONDS, Observer

from .scene import FileRuntime


@pytest.fixture
def observer(instance: Instance) -> Observer:
    facts = instance.home / "runtime.json"
    facts.write_text("{}")
    return Observer(instance, FileRuntime(facts), "unix:///nowhere.sock")


@pytest.fixture
def folder(instance: Instance) -> Path:
    folder = instance.app_logs / "a1"
    folder.mkdir()
    return folder


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Make it `[True]` and no checkpoint can be saved."""
    full, save = [False], checkpoint.save

    def saving(path: Path, data: dict[str, object]) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, data)

    monkeypatch.setattr(checkpoint, "save", saving)
    yield full


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def texts(folder: Path) -> list[str]:
    return [line.text for line in store.tail(folder, 1500)]


def test_it_is_idle_where_nothing_happens(observer: Observer, folder: Path) -> None:
    append(folder / "web.1.raw", b"x\n")
    assert observer.step(0)
    assert not observer.step(1)
    assert texts(folder) == ["x"]


def test_a_file_of_a_short_one_off_is_found_without_the_runtime(
    observer: Observer, folder: Path
) -> None:
    observer.step(0)
    append(folder / "run.7.raw", b"done\n")
    append(folder / "not a process.raw", b"x\n")
    observer.step(1)
    assert [str(line).split("+00:00 ")[1] for line in store.tail(folder, 9)] == ["app[run.7]: done"]


def test_a_look_in_the_middle_of_a_rotation_repeats_nothing(
    observer: Observer, folder: Path
) -> None:
    raw = folder / "web.1.raw"
    append(raw, b"a\n")
    observer.step(0)
    raw.replace(folder / "web.1.raw.1")
    observer.step(1)
    append(raw, b"b\n")
    observer.step(2)
    assert texts(folder) == ["a", "b"]


def test_a_process_that_comes_back_in_a_new_file_is_read(observer: Observer, folder: Path) -> None:
    raw = folder / "web.1.raw"
    for text in (b"a\n", b"b\n"):
        append(raw, text)
        observer.step(0)
        raw.unlink()
        observer.step(1)
    assert texts(folder) == ["a", "b"]


def test_on_a_full_disk_lines_wait_and_none_is_lost_or_repeated(
    observer: Observer, folder: Path, instance: Instance, full_disk: list[bool]
) -> None:
    raw = folder / "web.1.raw"
    append(raw, b"a\n")
    observer.step(0)
    full_disk[0] = True
    append(raw, b"b\n")
    assert not observer.step(1)
    append(raw, b"c\n")
    assert not observer.step(1 + BLOCKED_SECONDS)
    full_disk[0] = False
    for i in range(2, 5):
        observer.step(i + BLOCKED_SECONDS)
    assert texts(folder) == ["a", "b", "c"]


def test_one_app_s_trouble_is_not_another_s(
    observer: Observer, folder: Path, instance: Instance
) -> None:
    other = instance.app_logs / "a2"
    other.mkdir()
    (other / checkpoint.FOLDER).write_text("in the way")
    append(other / "web.1.raw", b"x\n")
    append(folder / "web.1.raw", b"y\n")
    observer.step(0)
    assert texts(folder) == ["y"]


def test_a_folder_that_is_removed_is_not_made_again(observer: Observer, folder: Path) -> None:
    append(folder / "web.1.raw", b"x\n")
    observer.step(0)
    store.remove(folder)
    observer.step(1)
    observer.step(2)
    assert not folder.exists()


def test_one_leads_and_a_second_waits(tmp_path: Path) -> None:
    lock = lead(tmp_path / "observer.lock")
    second = os.open(tmp_path / "observer.lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)
    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(second)
