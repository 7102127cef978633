"""The framing between `paas run` and the gateway."""

from __future__ import annotations

import asyncio

import pytest

from paas import frames
from paas.frames import Frame, FrameError, Kind


def read_all(data: bytes) -> list[Frame]:
    async def collect() -> list[Frame]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        found = []
        while frame := await frames.read(reader):
            found.append(frame)
        return found

    return asyncio.run(collect())


def test_what_is_encoded_comes_back() -> None:
    sent = [
        Frame(Kind.INPUT, bytes(range(256)) * 100),
        Frame(Kind.INPUT, b""),
        Frame.of(Kind.RESIZE, {"columns": 80, "lines": 24}),
        Frame.of(Kind.EXIT, {"status": 137}),
    ]
    assert read_all(b"".join(frame.encode() for frame in sent)) == sent
    assert sent[2].facts() == {"columns": 80, "lines": 24}


@pytest.mark.parametrize(
    "wrong",
    [
        b"z\0\0\0\0",
        b"\xff\0\0\0\0",
        b"i" + (frames.LARGEST + 1).to_bytes(4) + b"x",
        b"i\0\0",
        b"i\0\0\0\x05abc",
    ],
)
def test_what_is_no_frame_is_refused(wrong: bytes) -> None:
    with pytest.raises(FrameError):
        read_all(wrong)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"a": "x"}', b'{"a": null}', b"\xff"])
def test_facts_are_numbers(payload: bytes) -> None:
    with pytest.raises(FrameError):
        Frame(Kind.EXIT, payload).facts()
