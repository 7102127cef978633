"""Which pod is `web.1`: pods have random names, people count.

A pod's number is in an annotation once somebody has written it down (the
observer does); those without take the free numbers, the oldest first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from paas.runtimes.kubernetes.names import INDEX, PROCESS, Object

TEMPLATE = "pod-template-hash"


def numbered(pods: Iterable[Object]) -> dict[str, int]:
    """Pod's uid → its number, counted apart for each version of each process type."""
    groups: dict[tuple[str, str, str], list[Object]] = defaultdict(list)
    for pod in pods:
        meta = pod["metadata"]
        labels = meta.get("labels") or {}
        if PROCESS in labels:
            groups[meta.get("namespace", ""), labels[PROCESS], labels.get(TEMPLATE, "")].append(pod)
    return {uid: number for group in groups.values() for uid, number in _numbered(group).items()}


def _numbered(group: list[Object]) -> dict[str, int]:
    """Those that leave keep theirs, but their place is free for whoever replaces them."""
    given: dict[str, int] = {}
    taken: set[int] = set()
    ordered = sorted(group, key=_order)
    for pod in ordered:
        number, leaves = written(pod), "deletionTimestamp" in pod["metadata"]
        if number is not None and (leaves or number not in taken):
            given[pod["metadata"]["uid"]] = number
            if not leaves:
                taken.add(number)
    free = (number for number in range(1, 2 * len(group) + 1) if number not in taken)
    for pod in ordered:
        if pod["metadata"]["uid"] not in given:
            given[pod["metadata"]["uid"]] = next(free)
    return given


def written(pod: Object) -> int | None:
    """The number that a pod's annotation says."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdecimal() and 0 < int(text) < 10_000 else None


def _order(pod: Object) -> tuple[bool, str, str]:
    meta = pod["metadata"]
    return meta.get("deletionTimestamp") is not None, meta["creationTimestamp"], meta["name"]
