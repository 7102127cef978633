"""Following a file: appended to, renamed, emptied, replaced; now and after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.observer.follow import Follower, Place, rotated_by_number, rotated_by_time


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "web.1.raw"


def follow(path: Path, place: Place | None = None) -> Follower:
    follower = Follower(path, rotated_by_number(path))
    follower.place = place
    return follower


def rotate(path: Path) -> None:
    path.replace(path.with_name(path.name + ".1"))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def rest(follower: Follower, limit: int = 1000) -> bytes:
    pieces = list(iter(lambda: follower.read(limit), b""))
    assert follower.pending() == 0
    return b"".join(pieces)


def test_it_reads_what_is_appended_and_only_once(raw: Path) -> None:
    follower = follow(raw)
    assert rest(follower) == b""
    append(raw, b"one")
    assert (follower.pending(), rest(follower)) == (3, b"one")
    append(raw, b"two")
    assert (follower.pending(), rest(follower)) == (3, b"two")


def test_the_rest_of_a_renamed_file_comes_before_the_new_one(raw: Path) -> None:
    append(raw, b"abc")
    follower = follow(raw)
    assert follower.read(2) == b"ab"
    rotate(raw)
    assert follower.pending() == 1
    append(raw, b"new")
    assert follower.pending() == 4
    assert rest(follower) == b"cnew"


def test_a_backup_that_was_read_is_not_read_again(raw: Path) -> None:
    append(raw, b"old")
    follower = follow(raw)
    assert rest(follower) == b"old"
    rotate(raw)
    append(raw, b"new")
    assert rest(follower) == b"new"
    raw.unlink()
    append(raw, b"of another file")
    assert rest(follower) == b"of another file"


def test_the_first_look_begins_with_the_backup(raw: Path) -> None:
    append(raw, b"old")
    rotate(raw)
    append(raw, b"new")
    assert rest(follow(raw)) == b"oldnew"


def test_a_place_survives_a_restart_and_a_rotation_meanwhile(raw: Path) -> None:
    append(raw, b"abcdef")
    before = follow(raw)
    before.read(4)
    assert before.place
    rotate(raw)
    append(raw, b"gh")
    assert rest(follow(raw, Place.from_json(before.place.to_json()))) == b"efgh"


def test_a_file_emptied_in_place_is_read_from_its_start(raw: Path) -> None:
    append(raw, b"long content")
    rotate(raw)
    append(raw, b"more content")
    follower = follow(raw)
    rest(follower)
    raw.write_bytes(b"short")
    assert rest(follower) == b"short"


def test_an_inode_given_to_a_new_file_is_not_taken_for_the_old(raw: Path) -> None:
    append(raw, b"first file")
    follower = follow(raw)
    rest(follower)
    raw.write_bytes(b"other and longer")  # the same inode, other first bytes
    assert rest(follower) == b"other and longer"


def test_all_of_caddy_s_rolled_files_are_read_in_order(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    append(log, b"1")
    follower = Follower(log, rotated_by_time(log))
    assert rest(follower) == b"1"
    for n in (2, 3, 4):
        append(log, str(n).encode())
        log.rename(tmp_path / f"access-2026-11-23T22-31-0{n}.000.log")
    append(log, b"5")
    assert rest(follower) == b"2345"


def test_skipping_leaves_the_newest_and_counts_the_lines(raw: Path) -> None:
    append(raw, b"a\nb\n")
    follower = follow(raw)
    follower.read(1)
    rotate(raw)
    append(raw, b"c\nd\n")
    assert follower.skip(keep=2) == 3
    assert rest(follower) == b"d\n"


@given(st.data())
def test_whatever_happens_between_looks_every_byte_comes_once(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        raw, written, seen = Path(name, "x.raw"), b"", b""
        follower = follow(raw)
        for number in range(data.draw(st.integers(1, 15))):
            act = data.draw(st.sampled_from(["append", "rotate", "read", "restart"]))
            if act == "append":
                piece = f"<{number}>".encode()
                append(raw, piece)
                written += piece
            elif act == "rotate" and raw.exists():
                seen += rest(follower)  # twice unread is out of reach with one backup
                append(raw, b"|")
                written += b"|"
                rotate(raw)
            elif act == "read":
                seen += follower.read(data.draw(st.integers(1, 6)))
            else:
                follower = follow(raw, follower.place)
        assert seen + rest(follower) == written
