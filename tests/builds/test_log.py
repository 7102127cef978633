"""Build logs: what is written is read, and nobody but us can end one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.builds.log import MAX_LINE, End, LogFile, clean


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "logs" / "b.log")


def test_lines_come_back(log):
    log.write("-----> Python app detected")
    log.write("       one\n       two")
    assert log.text() == "-----> Python app detected\n       one\n       two\n"
    assert log.end() is None


def test_the_end_record_is_no_line(log):
    log.write("done")
    log.close(End("succeeded", "v3", "http://hello.localhost/"))
    assert log.text() == "done\n"
    assert log.end() == End("succeeded", "v3", "http://hello.localhost/")


def test_the_first_end_counts(log):
    log.close(End("failed"))
    log.close(End("succeeded", "v1"))
    assert log.end() == End("failed")


@given(st.text())
def test_a_program_cannot_forge_an_end(tmp_path_factory, text):
    log = LogFile(tmp_path_factory.mktemp("log") / "b.log")
    log.write(text)
    log.write('\0{"state": "succeeded"}')
    assert log.end() is None


@given(st.text())
def test_control_characters_are_gone(text):
    assert not any(ord(c) < 32 and c not in "\t\n" for c in clean(text))


def test_reading_goes_on_where_it_stopped(log):
    log.write("one")
    first, offset = log.read_from(0)
    assert log.read_from(offset) == ("", offset)
    log.write("zwei ü")
    second, _ = log.read_from(offset)
    assert (first, second) == ("one\n", "zwei ü\n")


def test_a_line_without_end_does_not_stop_the_reader(log):
    log.write("x" * 200_000)
    text, _ = log.read_from(0)
    assert text == "x" * MAX_LINE + "\n"


def test_nobody_else_may_read_it(log):
    log.write("secret")
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_is_not_there_is_empty(log):
    assert (log.text(), log.end(), log.read_from(0)) == ("", None, ("", 0))
