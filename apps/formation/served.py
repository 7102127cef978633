"""Which of an app's hosts its owner's certificates serve.

Each serves all hosts of its app that it names, and comes before any that the
platform would get; of several, the one that was written last.
"""

from __future__ import annotations

from collections.abc import Iterable

from apps.catalog.models import App
from apps.formation import pem
from apps.formation.models import OwnCertificate
from apps.releases.vault import unseal
from paas.runtimes.base import HostCertificate

KEY = "key"
"""What the private key is called where it is sealed."""


def serving(rows: Iterable[OwnCertificate], host: str) -> OwnCertificate | None:
    """Which of an app's certificates serves `host`."""
    return next((row for row in rows if pem.covers(row.hostnames, host)), None)


def certificates_for(app: App, hosts: Iterable[str]) -> tuple[HostCertificate, ...]:
    """As a runtime is given them: each with the hosts it serves."""
    rows = list(app.own_certificates.all())
    served: dict[OwnCertificate, list[str]] = {}
    for host in hosts:
        row = serving(rows, host)
        if row is not None:
            served.setdefault(row, []).append(host)
    return tuple(
        HostCertificate(tuple(names), row.chain, unseal(row.sealed)[KEY])
        for row, names in served.items()
    )
