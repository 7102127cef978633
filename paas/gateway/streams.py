"""Reading and writing descriptors that do not block, in the gateway's loop."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any

CHUNK = 64 * 1024


async def read(descriptor: int) -> bytes:
    """What there is, as soon as there is any; empty at the end, also at a terminal's (EIO)."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            await _ready(loop.add_reader, loop.remove_reader, descriptor)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""


async def write(descriptor: int, data: bytes) -> None:
    """All of `data`, as fast as it is taken.

    Raises:
        OSError: nobody takes it any more.
    """
    loop = asyncio.get_running_loop()
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await _ready(loop.add_writer, loop.remove_writer, descriptor)


async def _ready(add: Callable[..., Any], remove: Callable[[int], Any], descriptor: int) -> None:
    ready = asyncio.Event()
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)
