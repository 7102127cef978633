"""Objects, their revisions and the history that watches read.

Stored objects are never changed in place: who wants another puts a new one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .errors import Json, expired
from .kinds import Kind

KEPT_EVENTS = 20_000


@dataclass(frozen=True)
class Event:
    """A change. Args: old: what it was before; None at ADDED."""

    revision: int
    type: str
    kind: Kind
    obj: Json
    old: Json | None


Key = tuple[Kind, str, str]


class Store:
    """All objects by kind, namespace and name, with one revision counter."""

    def __init__(self) -> None:
        self.revision = 1000
        self.compacted = 1000
        self.history: deque[Event] = deque()
        self.listeners: list[Callable[[Event], None]] = []
        self._objects: dict[Kind, dict[str, dict[str, Json]]] = {}
        self._owned: dict[str, set[Key]] = {}

    def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        return self._objects.get(kind, {}).get(namespace, {}).get(name)

    def all(self, kind: Kind, namespace: str = "") -> list[Json]:
        """All of a kind (in a namespace), sorted as the real server does."""
        spaces = self._objects.get(kind, {})
        chosen = [namespace] if namespace else sorted(spaces)
        return [obj for space in chosen for _, obj in sorted(spaces.get(space, {}).items())]

    def count(self, kind: Kind, namespace: str) -> int:
        return len(self._objects.get(kind, {}).get(namespace, {}))

    def kinds(self) -> list[Kind]:
        return list(self._objects)

    def owned(self, uid: str) -> list[tuple[Kind, Json]]:
        """Objects with an ownerReference to this uid."""
        found = []
        for kind, namespace, name in sorted(
            self._owned.get(uid, ()), key=lambda key: (key[0].plural, key[1:])
        ):
            obj = self.get(kind, namespace, name)
            if obj is not None:
                found.append((kind, obj))
        return found

    def put(self, kind: Kind, obj: Json) -> Json:
        """Keeps an object under the next revision and tells the listeners."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        old = self.get(kind, namespace, name)
        self.revision += 1
        obj = {**obj, "metadata": {**metadata, "resourceVersion": str(self.revision)}}
        self._objects.setdefault(kind, {}).setdefault(namespace, {})[name] = obj
        self._index((kind, namespace, name), old, obj)
        self._tell(Event(self.revision, "MODIFIED" if old else "ADDED", kind, obj, old))
        return obj

    def remove(self, kind: Kind, obj: Json) -> None:
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        old = self._objects[kind][namespace].pop(name)
        self.revision += 1
        last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.revision)}}
        self._index((kind, namespace, name), old, None)
        self._tell(Event(self.revision, "DELETED", kind, last, old))

    def since(self, revision: int) -> Iterator[Event]:
        """Changes after a revision.

        Raises:
            ApiError: 410, they have been compacted away.
        """
        if revision < self.compacted:
            raise expired(revision, self.compacted)
        return (event for event in self.history if event.revision > revision)

    def compact(self) -> None:
        """Forgets all history: whoever resumes from before now gets a 410."""
        self.history.clear()
        self.compacted = self.revision

    def restore(self) -> None:
        """Goes on from an earlier revision, without any history."""
        self.revision //= 2
        self.compact()

    def _tell(self, event: Event) -> None:
        self.history.append(event)
        if len(self.history) > KEPT_EVENTS:
            self.compacted = self.history.popleft().revision
        for listener in list(self.listeners):
            listener(event)

    def _index(self, key: Key, old: Json | None, new: Json | None) -> None:
        before, after = _owners(old), _owners(new)
        for uid in before - after:
            self._owned[uid].discard(key)
            if not self._owned[uid]:
                del self._owned[uid]
        for uid in after - before:
            self._owned.setdefault(uid, set()).add(key)


def _owners(obj: Json | None) -> set[Any]:
    return {ref["uid"] for ref in (obj or {}).get("metadata", {}).get("ownerReferences", [])}
