"""The front door's map: which host leads to which ports.

`<run>/routes/hosts/<host>/<port>,<port>,…` is an empty file whose name is the
route; Caddy's file matcher takes the newest one at each request, so that
making the file is the switch: no reload, no lost request. An old file is
unlinked some time later only, because a request that has listed the folder
already would find nothing. `<run>/routes/maintenance/<host>` closes a host that
has no route.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from paas.instance import Instance
from paas.runtimes.base import RuntimeFailure

SLOTS = 12
"""Ports in a file's name; divisible by 1, 2, 3, 4, 6 and 12."""
UNLINK_AFTER = 1.0
"""Seconds an old route file must outlive the switch."""

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class Routes:
    """The routes of one instance. They lie in memory and are re-made at need."""

    def __init__(self, instance: Instance) -> None:
        self._hosts = instance.routes / "hosts"
        self._maintenance = instance.routes / "maintenance"

    def set(self, hosts: Iterable[str], ports: Collection[int], *, maintenance: bool) -> None:
        """Lead `hosts` to `ports` from now on; without ports they answer that no web runs.

        Does nothing where that is so already.
        """
        for host in hosts:
            folder = self._hosts / _checked(host)
            folder.mkdir(parents=True, exist_ok=True)
            if maintenance:
                self._close(host)
            if ports and not maintenance:
                _point(folder, _name(ports))
            else:
                _clear(folder)
            if not maintenance:
                self._open(host)

    def leads(self, hosts: Iterable[str], ports: Collection[int], *, maintenance: bool) -> bool:
        """Whether all is as `set` would leave it."""
        wanted = _name(ports) if ports and not maintenance else ""
        return all(
            (self._hosts / host).is_dir()
            and (self._maintenance / host).exists() == maintenance
            and next((f.name for f in _newest_first(self._hosts / host)), "") == wanted
            for host in hosts
        )

    def tidy(self, hosts: Iterable[str]) -> bool:
        """Unlink the files of earlier routes that are old enough; False while some are not."""
        tidy = True
        for host in hosts:
            files = _newest_first(self._hosts / host)
            if len(files) > 1 and time.time() - files[0].stat().st_mtime < UNLINK_AFTER:
                tidy = False
                continue
            for old in files[1:]:
                old.unlink(missing_ok=True)
        return tidy

    def known(self) -> frozenset[str]:
        """All hosts that lead somewhere."""
        if not self._hosts.is_dir():
            return frozenset()
        return frozenset(path.name for path in self._hosts.iterdir())

    def remove(self, hosts: Iterable[str]) -> None:
        """Forget these hosts: they answer that there is no such app."""
        for host in hosts:
            self._open(_checked(host))
            shutil.rmtree(self._hosts / host, ignore_errors=True)

    def _close(self, host: str) -> None:
        self._maintenance.mkdir(parents=True, exist_ok=True)
        (self._maintenance / host).touch()

    def _open(self, host: str) -> None:
        (self._maintenance / host).unlink(missing_ok=True)


def _checked(host: str) -> str:
    if not _HOST.fullmatch(host) or ".." in host:
        raise RuntimeFailure(f"{host!r} is no host name the front door can route.")
    return host


def _spread(ports: Collection[int]) -> list[int]:
    known = sorted(ports)
    return [known[i % len(known)] for i in range(SLOTS)]


def _name(ports: Collection[int]) -> str:
    return ",".join(str(port) for port in _spread(ports))


def _point(folder: Path, name: str) -> None:
    files = _newest_first(folder)
    if files and files[0].name == name:
        return
    newest = max([time.time_ns(), *(file.stat().st_mtime_ns + 1 for file in files)])
    route = folder / name
    route.touch()
    os.utime(route, ns=(newest, newest))  # newest even if the clock has stepped back


def _clear(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink(missing_ok=True)


def _newest_first(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns, reverse=True)
