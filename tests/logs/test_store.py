"""The merged file: growing ids, rotation, reading backwards, damage."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.logs import store
from apps.logs.lines import FIRST, LineId, Message
from apps.logs.store import Filter, Writer

AT = datetime(2026, 11, 23, tzinfo=UTC)


def said(text: str, process: str = "web.1", source: str = "app") -> Message:
    return Message(AT, source, process, text)


def texts(folder: Path, count: int = 1500, wanted: Filter = store.ANY) -> list[str]:
    return [line.text for line in store.tail(folder, count, wanted)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 1000)


def test_lines_come_back_in_order_with_growing_ids(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append([said("a"), said("b")], ms=5)
    writer.append([said("c")], ms=5)
    writer.append([said("d")], ms=3)  # the clock went back
    assert [str(line.id) for line in store.tail(tmp_path, 10)] == ["5-0", "5-1", "5-2", "5-3"]
    assert texts(tmp_path) == ["a", "b", "c", "d"]
    assert texts(tmp_path, 2) == ["c", "d"]
    assert store.last_id(tmp_path) == LineId(5, 3)


def test_no_log_is_an_empty_log(tmp_path: Path) -> None:
    assert texts(tmp_path / "gone") == []
    assert store.last_id(tmp_path / "gone") == FIRST
    assert store.tail(tmp_path, 0) == store.tail(tmp_path, -1) == []


@pytest.mark.usefixtures("small")
def test_a_full_file_becomes_the_backup_and_reading_spans_both(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    for i in range(30):
        writer.append([said(f"line {i}")], ms=i)
    assert (tmp_path / store.BACKUP_NAME).stat().st_size >= 1000
    assert (tmp_path / store.LOG_NAME).stat().st_size < 1000
    shown = texts(tmp_path)
    assert shown[-1] == "line 29"
    assert shown == [f"line {i}" for i in range(30 - len(shown), 30)]
    assert len(shown) > 1000 // len("10-0 2026-11-23T00:00:00.000000+00:00 app[web.1]: line 10\n")


@pytest.mark.usefixtures("small")
def test_ids_grow_on_over_a_rotation_and_a_restart(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append([said("x" * 1100)], ms=7)
    writer.close()
    (tmp_path / store.LOG_NAME).rename(tmp_path / store.BACKUP_NAME)
    assert Writer(tmp_path).append([said("next")], ms=1)[0].id == LineId(7, 1)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (Filter(), ["a", "b", "c", "d"]),
        (Filter(source="paas"), ["d"]),
        (Filter(process="web.1"), ["a", "d"]),
        (Filter(process="web"), ["a", "b", "d"]),
        (Filter("app", "web"), ["a", "b"]),
        (Filter(process="we"), []),
    ],
)
def test_filters(tmp_path: Path, wanted: Filter, shown: list[str]) -> None:
    lines = [said("a"), said("b", "web.2"), said("c", "worker.1"), said("d", "web.1", "paas")]
    Writer(tmp_path).append(lines, ms=1)
    assert texts(tmp_path, 10, wanted) == shown


def test_since_gives_what_is_behind_an_id(tmp_path: Path) -> None:
    Writer(tmp_path).append([said(str(i)) for i in range(9)], ms=1)
    assert [line.text for line in store.since(tmp_path, LineId(1, 5))] == ["6", "7", "8"]
    assert [line.text for line in store.since(tmp_path, FIRST, count=2)] == ["7", "8"]
    assert store.since(tmp_path, LineId(1, 8)) == []


def test_a_torn_last_line_is_not_shown_and_is_cut_off_by_the_next_writer(tmp_path: Path) -> None:
    Writer(tmp_path).append([said("whole"), said("torn")], ms=1)
    log = tmp_path / store.LOG_NAME
    log.write_bytes(log.read_bytes()[:-4])
    assert texts(tmp_path) == ["whole"]
    Writer(tmp_path).append([said("next")], ms=1)
    assert texts(tmp_path) == ["whole", "next"]
    assert log.read_bytes().endswith(b": next\n")


def test_lines_behind_the_known_end_are_cut_off(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append([said("noted")], ms=1)
    end = writer.end
    writer.append([said("not noted")], ms=2)
    Writer(tmp_path, end)
    assert texts(tmp_path) == ["noted"]


@pytest.mark.usefixtures("small")
def test_a_file_begun_after_the_known_end_is_emptied(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append([said("x" * 1100)], ms=1)
    end = writer.end
    writer.append([said("not noted")], ms=2)  # rotates first
    again = Writer(tmp_path, end)
    assert texts(tmp_path) == ["x" * 1100]
    assert again.append([said("next")], ms=1)[0].id == LineId(1, 1)


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, write = Writer(tmp_path), os.write
    writer.append([said("before")], ms=1)
    room = [30]

    def short_of_room(fd: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: room.pop()])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short_of_room)
        with pytest.raises(OSError, match="No space"):
            writer.append([said("lost?")], ms=2)
    writer.append([said("after")], ms=3)
    assert texts(tmp_path) == ["before", "after"]


@given(st.lists(st.integers(0, 100_000), max_size=12), st.integers(1, 13))
def test_backwards_reading_finds_lines_of_any_length(lengths: list[int], count: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        expected = [f"{i}" + "x" * length for i, length in enumerate(lengths)]
        Writer(Path(name)).append([said(text) for text in expected], ms=1)
        assert texts(Path(name), count) == expected[-count:]


def test_a_rotation_between_the_reader_s_two_opens_repeats_nothing(tmp_path: Path) -> None:
    Writer(tmp_path).append([said("a"), said("b")], ms=1)
    reader = store._newest_first(tmp_path, store.ANY)
    seen = [next(reader).text]
    (tmp_path / store.LOG_NAME).rename(tmp_path / store.BACKUP_NAME)
    seen += [line.text for line in reader]
    assert seen == ["b", "a"]


def test_removing_twice_is_harmless(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    Writer(folder).append([said("x")], ms=1)
    store.remove(folder)
    store.remove(folder)
    assert not folder.exists()
