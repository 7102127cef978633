"""How far each domain's certificate is: looked up, and written down for the owner to see."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.catalog.models import AcmStatus, Domain
from apps.formation.runtime import get_runtime
from apps.releases.queries import current_release
from paas.instance import TlsMode

LOOK_EVERY = timedelta(minutes=15)
"""Let's Encrypt allows five failed tries an hour for each name."""
_LOOK_AGAIN = timedelta(minutes=1)
"""While the app is not deployed yet."""
_ROUND = 50
"""Domains a round looks at; the rest have the next one."""
_AT_ONCE = 8
"""Domains looked at side by side: most of the time is spent waiting for DNS and the CA."""

_ROUNDS = threading.BoundedSemaphore(2)
"""Rounds in one worker: however many domains wait for a slow CA, deploys find a thread."""

Finding = tuple[AcmStatus, str]


def look_at(domain_id: str) -> None:
    """Find out about one domain; asks for its certificate when all that is needed is there."""
    _look_at(Domain.objects.filter(pk=domain_id))


def look_at_due() -> None:
    """Look again at domains whose turn it is; the front door itself renews certificates."""
    now = timezone.now()
    old = Q(acm_checked_at=None) | Q(acm_checked_at__lt=now - LOOK_EVERY)
    waiting = Q(acm_status=AcmStatus.PENDING, acm_checked_at__lt=now - _LOOK_AGAIN)
    oldest_first = F("acm_checked_at").asc(nulls_first=True)
    _look_at(Domain.objects.filter(old | waiting).order_by(oldest_first)[:_ROUND])


def _look_at(rows: QuerySet[Domain]) -> None:
    """A domain that finds no round now waits for the clock's next one."""
    if not settings.INSTANCE.certifies or not _ROUNDS.acquire(blocking=False):
        return
    try:
        _look_at_all([domain for domain in rows.select_related("app") if _claim(domain)])
    finally:
        _ROUNDS.release()


def _claim(domain: Domain) -> bool:
    """Whether it is ours to look at, and nobody else's at the same time."""
    unchanged = Domain.objects.filter(pk=domain.pk, acm_checked_at=domain.acm_checked_at)
    return unchanged.update(acm_checked_at=timezone.now()) == 1


def _look_at_all(domains: list[Domain]) -> None:
    live = {domain.pk: current_release(domain.app) is not None for domain in domains}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="certificates") as pool:
        findings = pool.map(lambda domain: _find(domain, live[domain.pk]), domains)
        for domain, (status, reason) in zip(domains, findings, strict=True):
            Domain.objects.filter(pk=domain.pk).update(acm_status=status, acm_status_reason=reason)


def _find(domain: Domain, live: bool) -> Finding:
    """Without the database: it runs in threads."""
    if not live:
        return AcmStatus.PENDING, "The app has no release yet: deploy it first."
    problem = _pointing_problem(domain)
    if problem:
        return AcmStatus.FAILING, problem
    certificate = get_runtime().certificate(domain.hostname)
    if certificate.expires is None:
        status = AcmStatus.PENDING if certificate.pending else AcmStatus.FAILING
        return status, f"{certificate.problem}."[:500]
    said = f"Valid until {certificate.expires:%Y-%m-%d}"
    return AcmStatus.ISSUED, f"{': '.join(filter(None, (said, certificate.problem)))}."[:500]


def _pointing_problem(domain: Domain) -> str:
    """Why a public CA could not reach us by this name; "" if it can, as far as we see."""
    instance = settings.INSTANCE
    if instance.ingress is not None or instance.tls.mode is not TlsMode.AUTO:
        return ""  # a cluster's own issuer looks, and says what it finds
    target = instance.app_host(domain.app.name)
    theirs = _addresses(domain.hostname)
    if not theirs:
        return f"{domain.hostname} is not in the DNS yet. Make it a CNAME of {target}."
    ours = _addresses(target)
    if ours and not theirs & ours:
        return (
            f"{domain.hostname} leads to {', '.join(sorted(theirs))}, not to this server "
            f"({', '.join(sorted(ours))}). Make it a CNAME of {target}."
        )
    return ""


def _addresses(name: str) -> set[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(entry[4][0]) for entry in found}
