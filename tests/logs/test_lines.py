"""Log lines: written and read back, cleaned, split, and fit for Heroku's own tools."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.logs.lines import (
    CLI_PATTERN,
    MAX_LINE_BYTES,
    LineError,
    LineId,
    LogLine,
    Message,
    clean,
    split,
)

AT = datetime(2026, 11, 23, 22, 31, 0, 123456, UTC)

processes = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}(\.[0-9]{1,4})?", fullmatch=True)
ids = st.builds(LineId, st.integers(0, 10**15), st.integers(0, 10**6))
messages = st.builds(
    Message,
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["app", "paas"]),
    processes,
    st.binary(max_size=300).map(clean),
)


def test_a_line_looks_as_heroku_s() -> None:
    message = Message(AT, "app", "web.1", "Listening on port 5000")
    assert str(message) == "2026-11-23T22:31:00.123456+00:00 app[web.1]: Listening on port 5000"


def test_times_are_shown_in_utc_and_with_microseconds() -> None:
    there = datetime(2026, 11, 24, 0, 31, tzinfo=timezone(timedelta(hours=2)))
    assert str(Message(there, "app", "web.1", "x")).startswith("2026-11-23T22:31:00.000000+00:00 ")


@given(ids, messages)
def test_what_is_stored_is_read_back(line_id: LineId, message: Message) -> None:
    line = LogLine(line_id, message)
    assert LogLine.parse(line.stored) == line
    assert line.stored == f"{line_id} {message}"


@given(messages)
def test_heroku_s_cli_finds_the_part_to_colour(message: Message) -> None:
    match = CLI_PATTERN.match(str(message))
    assert match
    assert match[1].endswith(f"{message.source}[{message.process}]:")
    assert match[4] == f" {message.text}"


@given(st.binary(max_size=500))
def test_cleaned_text_is_one_line_without_control_characters(raw: bytes) -> None:
    text = clean(raw)
    assert text.splitlines() in ([], [text])
    assert not [c for c in text if c != "\t" and (ord(c) < 32 or 127 <= ord(c) < 160)]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07shown", "shown"),
        (b"a\x00b\tc\r", "ab\tc"),
        (b"\xff\xfeok", "ok"),
        ("gr\u00fc\u00df dich \u2603".encode(), "gr\u00fc\u00df dich \u2603"),
        ("a\u2028b\x85c".encode(), "abc"),
    ],
)
def test_what_moves_a_cursor_is_dropped(raw: bytes, text: str) -> None:
    assert clean(raw) == text


@given(st.text(max_size=200), st.integers(4, 50))
def test_pieces_are_short_whole_characters_and_complete(text: str, limit: int) -> None:
    raw = text.encode("utf-8", "ignore")
    pieces = list(split(raw, limit))
    assert b"".join(pieces) == raw
    assert all(len(piece) <= limit for piece in pieces)
    assert "".join(piece.decode() for piece in pieces) == raw.decode()


def test_a_line_of_the_full_length_is_not_split() -> None:
    assert [len(piece) for piece in split(b"x" * MAX_LINE_BYTES)] == [MAX_LINE_BYTES]
    assert [len(piece) for piece in split(b"x" * (MAX_LINE_BYTES + 1))] == [MAX_LINE_BYTES, 1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1-1",
        "1-1 2026-11-23T22:31:00+00:00",
        "1-1 2026-11-23T22:31:00 app[web.1]: no zone",
        "1-1 yesterday app[web.1]: no time",
        "x-1 2026-11-23T22:31:00+00:00 app[web.1]: no id",
        "1-1 2026-11-23T22:31:00+00:00 app[we b]: no process",
        "\u0661-1 2026-11-23T22:31:00+00:00 app[web.1]: digits of another script",
    ],
)
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(LineError):
        LogLine.parse(text)


@given(ids, st.integers(0, 10**15))
def test_ids_grow_although_the_clock_may_not(line_id: LineId, ms: int) -> None:
    assert line_id.next(ms) > line_id
