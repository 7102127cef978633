"""npm's grammar of version ranges, as npm's own documentation gives it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildpacks.ranges import parse_range, parse_version


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=18", "18.0.0 20.1.2", "17.9.9"),
        ("20.x", "20.0.0 20.99.0", "21.0.0 19.9.9"),
        ("20", "20.1.0", "21.0.0"),
        ("^20.1.0 || >=22", "20.1.0 20.9.0 22.0.0", "20.0.9 21.0.0"),
        ("^0.2.3", "0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("~1.2", "1.2.9", "1.3.0"),
        ("~1", "1.9.9", "2.0.0"),
        ("18 - 20", "18.0.0 20.9.9", "21.0.0"),
        ("1.2.3 - 2.3.4", "2.3.4", "2.3.5"),
        (">= 18.0.0, < 21", "20.0.0", "21.0.0"),
        (">18", "19.0.0", "18.9.9"),
        ("<=18", "18.9.9", "19.0.0"),
        ("v20.11.0", "20.11.0", "20.11.1"),
        ("~> 3.1", "3.4.0", "4.0.0"),
        ("~> 3.1.2", "3.1.9", "3.2.0 3.1.1"),
        ("^8.1|^7.4", "7.5.0 8.2.0", "9.0.0 7.3.0"),
        ("*", "0.0.1 99.0.0", ""),
        ("", "1.2.3", ""),
    ],
)
def test_what_is_inside(text: str, inside: str, outside: str) -> None:
    found = parse_range(text)
    for version in map(parse_version, inside.split()):
        assert version in found
    for version in map(parse_version, outside.split()):
        assert version not in found


@pytest.mark.parametrize("text", ["abc", "lts/*", ">=", ">=18 foo", "20..1", "1" * 201, "a1"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError):
        parse_range(text)


def test_only_a_whole_version_is_exact() -> None:
    assert parse_range("20.11.0").exact == (20, 11, 0)
    assert parse_range("20.11").exact is None
    assert parse_range("1.0.0 || 2.0.0").exact is None


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("v20.20.2\n", (20, 20, 2)),
        ("go version go1.19.8 linux/amd64", (1, 19, 8)),
        ("ruby 3.1.2p20 (2022-04-12)", (3, 1, 2)),
        ("PHP 8.2.36 (cli)", (8, 2, 36)),
        ("no idea", None),
    ],
)
def test_what_programs_say_of_themselves(said: str, version: object) -> None:
    assert parse_version(said) == version


@given(st.text(max_size=200))
def test_any_text_is_a_range_or_a_value_error(text: str) -> None:
    try:
        found = parse_range(text)
    except ValueError:
        return
    assert all(low <= (999999, 0, 0) and len(high) == 3 for low, high in found.intervals)
