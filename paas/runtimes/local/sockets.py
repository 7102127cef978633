"""Who listens where and who is connected, from `/proc` (proc(5), `/proc/net/tcp`)."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_ESTABLISHED, _LISTEN = "01", "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket."""

    address: str
    port: int
    inode: int

    @property
    def reachable(self) -> bool:
        """Whether a connection to 127.0.0.1 gets here."""
        return self.address in ("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1")  # noqa: S104


def listeners(pids: Collection[int]) -> list[Listener]:
    """The TCP sockets that the processes `pids` listen on."""
    inodes = set[int]()
    for pid in pids:
        inodes.update(_socket_inodes(pid))
    return [one for one in _all_listeners() if one.inode in inodes]


def in_use(port: int) -> bool:
    """Whether anybody listens on this port."""
    return any(one.port == port for one in _all_listeners())


def established(ports: Collection[int]) -> bool:
    """Whether anybody is connected to one of these local ports."""
    wanted = {f"{port:04X}" for port in ports}
    return any(
        row[3] == _ESTABLISHED and row[1].rpartition(":")[2] in wanted
        for table in _TABLES
        for row in _rows(table)
    )


def is_free(port: int) -> bool:
    """Whether the port can be listened on, on all addresses."""
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _all_listeners() -> Iterator[Listener]:
    for table in _TABLES:
        for row in _rows(table):
            if row[3] == _LISTEN:
                address, _, port = row[1].rpartition(":")
                yield Listener(_address(address), int(port, 16), int(row[9]))


def _rows(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except FileNotFoundError:  # a kernel without IPv6
        return []


def _address(text: str) -> str:
    """The kernel prints addresses as native 32-bit words."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))


def _socket_inodes(pid: int) -> Iterator[int]:
    with suppress(OSError):  # it may end, or be none of ours, while we look
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    yield int(target[8:-1])
