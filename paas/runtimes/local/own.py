"""Certificates that apps' owners brought: one file a host, which the front door is shown.

Caddy asks a path of its own server for each handshake whose certificate it has
not got, and is sent `<run>/certificates/<host>.pem` (see `tls`). They lie in
memory, and every apply makes them anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cryptography import x509

from paas.instance import Instance, make_private
from paas.launcher.orders import write_private
from paas.runtimes.base import HostCertificate


class OwnCertificates:
    """Those of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._folder = instance.own_certificates

    def set(self, hosts: Iterable[str], certificates: Iterable[HostCertificate]) -> None:
        """Of these hosts, those in a certificate have it from now on, the others have none."""
        given = _texts(certificates)
        for host in hosts:
            if host not in given:
                self.remove([host])
            elif self._read(host) != given[host]:
                make_private(self._folder)
                write_private(self._path(host), given[host])

    def are(self, hosts: Iterable[str], certificates: Iterable[HostCertificate]) -> bool:
        """Whether `set` would change nothing."""
        given = _texts(certificates)
        return all(self._read(host) == given.get(host) for host in hosts)

    def remove(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            self._path(host).unlink(missing_ok=True)

    def expires(self, host: str) -> datetime | None:
        """Until when a host's is good; None without one."""
        with suppress(OSError, ValueError):
            leaf, *_ = x509.load_pem_x509_certificates(self._path(host).read_bytes())
            return leaf.not_valid_after_utc
        return None

    def _read(self, host: str) -> str | None:
        with suppress(FileNotFoundError):
            return self._path(host).read_text()
        return None

    def _path(self, host: str) -> Path:
        """Host names have no slash: routes are made of none that has."""
        return self._folder / f"{host.replace('/', '')}.pem"


def _texts(certificates: Iterable[HostCertificate]) -> dict[str, str]:
    """Host → what Caddy is sent."""
    return {
        host: f"{one.chain.strip()}\n{one.key.strip()}\n"
        for one in certificates
        for host in one.hosts
    }
