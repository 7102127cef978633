"""What the panel says in an app's log."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from apps.logs.lines import Message
from apps.logs.platform import RAW_NAME, emit, rotate
from paas.instance import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path / "home", tmp_path / "run", 8080, 2222, "127.0.0.1", "localhost")


def raw(instance: Instance) -> Path:
    return instance.app_logs / "a1" / RAW_NAME


def said(path: Path) -> list[Message]:
    return [Message.parse(line) for line in path.read_text().split("\n")[:-1]]


def test_every_line_is_stamped_cleaned_and_whole(instance: Instance) -> None:
    emit(instance, "a1", "app", "release.3", "one\n\x1b[1mtwo\n")
    emit(instance, "a1", "paas", "api", "x" * 10_001)
    lines = said(raw(instance))
    assert [line.text for line in lines] == ["one", "two", "x" * 10_000, "x"]
    assert [line.process for line in lines] == ["release.3"] * 2 + ["api"] * 2


@pytest.mark.parametrize("app_id", ["", "..", "a/b", "a\0", "-a", "a1\n"])
def test_an_id_that_leads_elsewhere_is_refused(instance: Instance, app_id: str) -> None:
    with pytest.raises(ValueError, match="no app id"):
        emit(instance, app_id, "paas", "api", "x")


def test_a_process_that_would_forge_a_line_is_refused(instance: Instance) -> None:
    with pytest.raises(ValueError, match="process name"):
        emit(instance, "a1", "paas", "api]: x\ny[z", "x")


def test_what_cannot_be_written_is_reported_and_stops_nobody(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    instance.app_logs.mkdir(parents=True)
    (instance.app_logs / "a1").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        emit(instance, "a1", "paas", "api", "x")
    assert "a log line of paas[api] is lost" in caplog.text


def test_a_line_cut_by_a_full_disk_does_not_swallow_the_next(instance: Instance) -> None:
    emit(instance, "a1", "paas", "api", "first")
    raw(instance).write_bytes(raw(instance).read_bytes()[:-3])
    emit(instance, "a1", "paas", "api", "second")
    assert [line.text for line in said(raw(instance))] == ["fir", "second"]


def test_lines_written_during_rotations_are_in_some_file_whole(instance: Instance) -> None:
    def write(number: int) -> None:
        for i in range(100):
            emit(instance, "a1", "paas", "api", f"{number} {i}")

    emit(instance, "a1", "paas", "api", "first")
    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    kept: list[Message] = []
    while any(writer.is_alive() for writer in writers):
        if raw(instance).exists():
            rotate(raw(instance))
            kept += said(raw(instance).with_name(RAW_NAME + ".1"))
    if raw(instance).exists():
        kept += said(raw(instance))
    texts = [line.text for line in kept if line.text != "first"]
    assert sorted(texts) == sorted(f"{n} {i}" for n in range(4) for i in range(100))
