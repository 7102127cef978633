"""One raw file turned into messages: line ends, length, the cap on floods."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paas.observer import budget
from paas.observer.follow import Follower, rotated_by_number
from paas.observer.sources import Source, printed_by


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "web.1.raw"


def source(raw: Path, now: float = 0.0, away: float = 0.0) -> Source:
    follower = Follower(raw, rotated_by_number(raw))
    return Source(follower, "web.1", printed_by("web.1"), now=now, away=away)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def texts(of: Source, now: float) -> list[str]:
    return [message.text for message in of.take(now)]


def test_line_ends_of_every_kind_are_dropped(raw: Path) -> None:
    append(raw, b"a\r\n\nb\n")
    assert texts(source(raw), 0) == ["a", "", "b"]


def test_a_line_in_two_writes_is_one(raw: Path) -> None:
    web = source(raw)
    append(raw, b"hel")
    assert texts(web, 0) == []
    append(raw, b"lo\n")
    assert texts(web, 0.1) == ["hello"]


def test_a_line_without_end_is_shown_after_a_while_once(raw: Path) -> None:
    web = source(raw)
    append(raw, b"Password: ")
    assert texts(web, 0) == texts(web, 0.9) == []
    assert texts(web, 1.1) == ["Password: "]
    assert texts(web, 9) == []


def test_a_line_over_a_rotation_is_one(raw: Path) -> None:
    web = source(raw)
    append(raw, b"first h")
    texts(web, 0)
    raw.replace(raw.with_name(raw.name + ".1"))
    append(raw, b"alf\n")
    assert texts(web, 0.1) == ["first half"]


def test_a_line_that_never_ends_comes_in_pieces(raw: Path) -> None:
    append(raw, b"x" * 25_000)
    web = source(raw)
    assert [len(text) for text in texts(web, 0)] == [10_000, 10_000]
    assert [len(text) for text in texts(web, 2)] == [5_000]


def test_a_flood_is_cut_to_the_burst_and_the_loss_is_told(raw: Path) -> None:
    append(raw, b"x\n" * 20_000)
    web = source(raw)
    assert len(texts(web, 0)) == budget.BURST_LINES
    append(raw, b"y\n")
    assert texts(web, 0.001)[0] == "Error L10 (output buffer overflow): 15000 lines dropped"


def test_after_the_burst_the_rate_holds(raw: Path) -> None:
    web = source(raw)
    append(raw, b"x\n" * 20_000)
    texts(web, 0)
    append(raw, b"x\n" * 20_000)
    assert texts(web, 0.5).count("x") == budget.LINES_PER_SECOND // 2


def test_a_backlog_too_long_to_read_is_skipped_and_counted(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "BACKLOG_BYTES", 1_000)
    monkeypatch.setattr(budget, "READ_BYTES", 100)
    append(raw, b"".join(b"%03d\n" % i for i in range(500)))
    web = source(raw)
    assert texts(web, 0)[-1] == "499"
    assert web.drops.lines == 500 - 25


def test_what_was_logged_while_nobody_read_is_within_the_rate(raw: Path) -> None:
    append(raw, b"x\n" * 20_000)
    assert len(texts(source(raw, away=60), 0)) == 20_000
    assert len(texts(source(raw, away=0), 0)) == budget.BURST_LINES


def test_a_saved_state_goes_on_in_the_middle_of_a_line(raw: Path) -> None:
    web = source(raw)
    append(raw, b"a\nhal")
    texts(web, 0)
    saved = json.loads(json.dumps(web.state()))
    again = source(raw)
    again.restore(saved)
    append(raw, b"f\n")
    assert texts(again, 0) == ["half"]
