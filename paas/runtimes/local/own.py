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
        given = {host: one for one in certificates for host in one.hosts}
        for host in hosts:
            if host in given:
                self._write(host, f"{given[host].chain.strip()}\n{given[host].key.strip()}\n")
            else:
                self.remove([host])

    def remove(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            self._path(host).unlink(missing_ok=True)

    def expires(self, host: str) -> datetime | None:
        """Until when a host's is good; None without one."""
        with suppress(OSError, ValueError):
            leaf, *_ = x509.load_pem_x509_certificates(self._path(host).read_bytes())
            return leaf.not_valid_after_utc
        return None

    def _write(self, host: str, text: str) -> None:
        make_private(self._folder)
        write_private(self._path(host), text)

    def _path(self, host: str) -> Path:
        """Host names have no slash: routes are made of none that has."""
        return self._folder / f"{host.replace('/', '')}.pem"
