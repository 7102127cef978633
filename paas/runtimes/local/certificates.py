"""What became of a host's certificate: from Caddy's storage, and from what it logs."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from paas.instance import Instance
from paas.runtimes.base import Certificate
from paas.runtimes.local.own import OwnCertificates

_PATIENCE = 40.0  # seconds an ACME CA has to answer
_POLL = 0.2  # seconds
_UNKNOWN = "the front door got no certificate; logs/router/tls.log may say why"
_TAIL = 512 * 1024  # bytes of the log that are looked at
_LONGEST = 400


def obtain(instance: Instance, host: str) -> Certificate:
    """The body of `Runtime.certificate`: a visit by TLS makes Caddy get one, as any visit does."""
    if not instance.tls:
        return Certificate(problem="HTTPS is off: set PAAS_TLS")
    own = OwnCertificates(instance).expires(host)
    if own is not None:
        return _shown(instance, host, own)
    known = _stored(instance, host)
    if known is not None and known.expires is not None and known.expires > datetime.now(UTC):
        return known
    began = time.time()
    # In a thread: Caddy may hold the handshake for minutes while it tries again and again.
    visit = threading.Thread(target=_visit, args=(instance, host), name="visit", daemon=True)
    visit.start()
    while visit.is_alive():
        visit.join(_POLL)
        problem = _logged(instance, host, since=began)
        if problem:
            return Certificate(problem=problem)
    return _stored(instance, host) or Certificate(problem=_UNKNOWN)


def _shown(instance: Instance, host: str, expires: datetime) -> Certificate:
    """Whether visitors see the owner's: Caddy shows one that it has got itself till it ends."""
    shown = _visit(instance, host)
    if shown is not None and shown != expires:
        return Certificate(
            expires=shown,
            problem="yours is stored, but the front door had got one of its own before: it shows "
            "yours from its next start on",
        )
    return Certificate(expires=expires)


def _stored(instance: Instance, host: str) -> Certificate | None:
    """The one that lasts longest, if issuers have changed."""
    folders = (instance.caddy_storage / "certificates").glob(f"*/{host}/{host}.crt")
    expiries = []
    for path in folders:
        with suppress(OSError, ValueError):  # being written, or gone
            leaf, *_ = x509.load_pem_x509_certificates(path.read_bytes())
            expiries.append(leaf.not_valid_after_utc)
    return Certificate(expires=max(expiries)) if expiries else None


def _visit(instance: Instance, host: str) -> datetime | None:
    """A handshake: until when the certificate is good that is shown; None if there is none."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        suppress(OSError),
        socket.create_connection(
            (instance.front_address, instance.tls.port), timeout=_PATIENCE
        ) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).not_valid_after_utc if shown else None
    return None


def _logged(instance: Instance, host: str, *, since: float) -> str:
    """The last error about `host`; "" while there is none."""
    for line in reversed(_last_lines(instance.tls_log)):
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            if float(entry["ts"]) < since - 1:
                break
            if entry.get("identifier") == host and entry.get("error"):
                return str(entry["error"])[:_LONGEST]
    return ""


def _last_lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().splitlines()
    except OSError:
        return []
