"""Downloads that a tenant asks for: over HTTPS, from public addresses alone.

Who may name a URL could name the machine's own services by it: a database on
loopback, a cloud's metadata, the cluster's API. So the host's name is looked
up here, all of its addresses must be public, and the connection goes to the
address that was looked at, as a second look-up could answer otherwise; each
redirect is looked at anew. Proxies of the environment are not used, since they
look names up themselves. The rule is peers' experience with webhooks and
imports (server-side request forgery).
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

_REDIRECTS = 5
_TIMEOUT = 30.0
_BLOCK = 256 * 1024
_MOVED = frozenset({301, 302, 303, 307, 308})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutboundError(Exception):
    """The download failed or was refused; the text says why."""


def download(url: str, target: Path, *, limit: int, check: Callable[[], None]) -> None:
    """Write what `url` answers to `target`.

    Args:
        limit: bytes that it may have.
        check: called for each block; raises to give up.

    Raises:
        OutboundError: the URL is not one to be asked, or does not answer as it should.
    """
    for _ in range(_REDIRECTS + 1):
        moved = _try(url, target, limit, check)
        if moved is None:
            return
        url = urljoin(url, moved)
    raise OutboundError(f"it redirects more than {_REDIRECTS} times")


def public_address(host: str, port: int) -> str:
    """An address of the host, all of whose addresses are public.

    Raises:
        OutboundError: one is not, or there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundError(f"{host} is not known ({error})") from error
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    for address in addresses:
        if not is_public(ipaddress.ip_address(address)):
            raise OutboundError(f"{host} is not on the internet")  # and where is not told
    return addresses[0]


def is_public(address: _Address) -> bool:
    """Whether the address is on the internet; one that embeds an IPv4 address is as that is."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            embedded = ipaddress.IPv4Address(address.packed[-4:])
        if embedded is not None:
            return is_public(embedded)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


class _Connection(http.client.HTTPSConnection):
    """To the address that was looked at; the certificate is the name's."""

    def __init__(self, host: str, port: int) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=_TIMEOUT, context=self._tls)

    def connect(self) -> None:
        address = public_address(self.host, self.port)
        plain = socket.create_connection((address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _try(url: str, target: Path, limit: int, check: Callable[[], None]) -> str | None:
    """Where it has moved to; None when all of it is there."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise OutboundError("only https:// is asked, without a password")
    try:
        connection = _Connection(parts.hostname, parts.port or 443)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        try:
            connection.request("GET", path, headers={"User-Agent": "paas", "Accept": "*/*"})
            answer = connection.getresponse()
            if answer.status in _MOVED and (moved := answer.getheader("Location")):
                return moved
            if answer.status != 200:
                raise OutboundError(f"{parts.hostname} answers {answer.status} {answer.reason}")
            _save(answer, target, limit, check)
            return None
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OutboundError(f"{parts.hostname} does not answer ({error})") from error


def _save(
    answer: http.client.HTTPResponse, target: Path, limit: int, check: Callable[[], None]
) -> None:
    left = limit
    with target.open("wb") as file:
        while block := answer.read(_BLOCK):
            check()
            left -= len(block)
            if left < 0:
                raise OutboundError(f"it is larger than {limit // 1024**2} MiB")
            file.write(block)
    if answer.length:
        raise OutboundError("it was cut off")
