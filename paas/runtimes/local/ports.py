"""The ports of web processes: each is reserved by a file named after it.

They lie below Linux' range for outgoing connections (32768 and up), which
would otherwise take them by chance.
"""

from __future__ import annotations

import random
from contextlib import suppress

from paas.instance import Instance
from paas.runtimes.base import RuntimeFailure
from paas.runtimes.local import sockets

FIRST, LAST = 20000, 31999


class Ports:
    """Reserved ports: `<home>/local/ports/<port>` holds the program it is for."""

    def __init__(self, instance: Instance) -> None:
        self._folder = instance.local_state / "ports"

    def reserve(self, program: str) -> int:
        """A port nobody listens on, kept for `program` until it is released.

        The search begins anywhere, so that a port is not soon used again
        while somebody may still be connected to its last owner, and so that
        two instances on one machine seldom meet.

        Raises:
            RuntimeFailure: all are taken.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        count = LAST - FIRST + 1
        start = random.randrange(count)  # noqa: S311
        for step in range(count):
            port = FIRST + (start + step) % count
            if sockets.is_free(port) and self._claim(port, program):
                return port
        raise RuntimeFailure(f"All ports from {FIRST} to {LAST} are taken on this machine.")

    def release(self, port: int) -> None:
        (self._folder / str(port)).unlink(missing_ok=True)

    def reserved(self, *, before: float) -> dict[int, str]:
        """Port → program, of reservations older than the Unix time `before`."""
        found = {}
        for file in self._folder.glob("*"):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < before:
                    found[int(file.name)] = file.read_text()
        return found

    def _claim(self, port: int, program: str) -> bool:
        try:
            with (self._folder / str(port)).open("x") as file:
                file.write(program)
        except FileExistsError:
            return False
        return True
