"""GET: single objects, lists with selectors and pages, and watches."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .clock import Clock
from .errors import ApiError, Json, bad_request
from .kinds import Kind
from .selectors import Test, by_fields, by_labels
from .store import Event, Store
from .tables import bare, table

BOOKMARK_SECONDS = 60.0
_EXPIRED_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can"
    " start a new list without the continue parameter."
)


@dataclass(frozen=True)
class Query:
    """Which objects, in which form. Args: form: object, bare or table."""

    kind: Kind
    namespace: str
    params: Mapping[str, str]
    form: str
    name: str = ""

    def test(self) -> Test:
        """Whether an object is among them."""
        labels, fields = self.params.get("labelSelector"), self.params.get("fieldSelector")
        tests: list[Test] = []
        if labels:
            tests.append(by_labels(labels))
        if fields:
            tests.append(by_fields(fields))
        if self.namespace:
            tests.append(lambda obj: obj["metadata"].get("namespace") == self.namespace)
        if self.name:
            tests.append(lambda obj: obj["metadata"]["name"] == self.name)
        return lambda obj: all(test(obj) for test in tests)

    def number(self, name: str, default: int = 0) -> int:
        text = self.params.get(name) or str(default)
        try:
            return int(text)
        except ValueError as error:
            text = f'strconv.ParseUint: parsing "{text}": invalid syntax'
            raise ApiError(500, None, text) from error


def wanted_form(accept: str) -> str:
    """By the Accept header."""
    if "as=Table" in accept:
        return "table"
    return "bare" if "as=PartialObjectMetadata" in accept else "object"


def one(query: Query, obj: Json) -> Json:
    if query.form == "table":
        return table(query.kind, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]})
    return bare(obj) if query.form == "bare" else obj


def listing(store: Store, query: Query) -> Json:
    """A List, its metadata with the revision to watch from.

    Raises:
        ApiError: 410, the page token or the revision is too old; 504, it is of the future.
    """
    revision = query.number("resourceVersion")
    if revision > store.revision:
        text = f"Too large resource version: {revision}, current: {store.revision}"
        raise ApiError(504, "Timeout", text, details={"retryAfterSeconds": 1})
    fits = query.test()
    found = [obj for obj in store.all(query.kind, query.namespace) if fits(obj)]
    metadata: Json = {"resourceVersion": str(store.revision)}
    found = _page(store, query, found, metadata)
    return shaped(query, found, metadata)


def shaped(query: Query, found: list[Json], metadata: Json) -> Json:
    """Objects as the list that was asked for."""
    if query.form == "table":
        return table(query.kind, found, metadata)
    if query.form == "bare":
        items: list[Json] | None = [{"metadata": obj["metadata"]} for obj in found] or None
        kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        return {"kind": kind, "apiVersion": version, "metadata": metadata, "items": items}
    if query.kind.schema:
        found = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in found]
    return {
        "kind": f"{query.kind.kind}List",
        "apiVersion": query.kind.api_version,
        "metadata": metadata,
        "items": found,
    }


def _page(store: Store, query: Query, found: list[Json], metadata: Json) -> list[Json]:
    limit, token = query.number("limit"), query.params.get("continue")
    if token:
        try:
            start = orjson.loads(base64.urlsafe_b64decode(token))
            revision, after = int(start["rv"]), str(start["start"])
        except (ValueError, KeyError, TypeError) as error:
            raise bad_request(f"continue key is not valid: {error}") from error
        if revision < store.compacted:
            raise ApiError(410, "Expired", _EXPIRED_TOKEN)
        metadata["resourceVersion"] = str(revision)
        found = [obj for obj in found if _place(obj) > after]
    if limit and len(found) > limit:
        start = {"rv": metadata["resourceVersion"], "start": _place(found[limit - 1])}
        metadata["continue"] = base64.urlsafe_b64encode(orjson.dumps(start)).decode()
        if not query.params.get("labelSelector") and not query.params.get("fieldSelector"):
            metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return found


def _place(obj: Json) -> str:
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


# --- watch ----------------------------------------------------------------
def check_watch(query: Query) -> None:
    """Raises what is answered before a stream begins."""
    query.number("resourceVersion")
    if query.params.get("sendInitialEvents") == "true" and (
        query.params.get("resourceVersionMatch") != "NotOlderThan"
    ):
        text = (
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden:'
            " sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
        raise ApiError(422, "Invalid", text)


async def watch(store: Store, query: Query, clock: Clock) -> AsyncGenerator[bytes, None]:
    """Lines of a watch, until its timeout."""
    queue: asyncio.Queue[Event] = asyncio.Queue()

    def listen(event: Event) -> None:
        if event.kind is query.kind:
            queue.put_nowait(event)

    fits = query.test()
    store.listeners.append(listen)
    try:
        try:
            first = list(_first(store, query, fits))
        except ApiError as error:
            yield line("ERROR", error.body())
            return
        for text in first:
            yield text
        floor = max(query.number("resourceVersion"), store.revision if first else 0)
        async for text in _live(store, query, clock, queue, fits, floor):
            yield text
    finally:
        store.listeners.remove(listen)


def _first(store: Store, query: Query, fits: Test) -> list[bytes]:
    """What is there already, or has changed since the client's revision."""
    initial = query.params.get("sendInitialEvents") == "true"
    revision = query.number("resourceVersion")
    if initial or not revision:
        found = [
            line("ADDED", one(query, obj))
            for obj in store.all(query.kind, query.namespace)
            if fits(obj)
        ]
        if initial and query.params.get("allowWatchBookmarks") == "true":
            found.append(_bookmark(store, query, {"k8s.io/initial-events-end": "true"}))
        return found
    events = [event for event in store.since(revision) if event.kind is query.kind]
    return [text for event in events if (text := seen_as(query, event, fits))]


async def _live(
    store: Store,
    query: Query,
    clock: Clock,
    queue: asyncio.Queue[Event],
    fits: Test,
    floor: int,
) -> AsyncIterator[bytes]:
    seconds = query.number("timeoutSeconds") or random.randint(1800, 3600)
    end = time.monotonic() + clock.real(seconds)
    marks = _mark_times(seconds) if query.params.get("allowWatchBookmarks") == "true" else []
    started = time.monotonic()
    while True:
        next_mark = started + clock.real(marks[0]) if marks else end
        try:
            wait = max(0.0, min(next_mark, end) - time.monotonic())
            event = await asyncio.wait_for(queue.get(), wait)
        except TimeoutError:
            if not marks:
                return
            del marks[0]
            if store.revision > floor:  # a real server's watch of a quiet kind has none
                yield _bookmark(store, query, None)
            continue
        text = seen_as(query, event, fits) if event.revision > floor else None
        if text:
            yield text


def _mark_times(seconds: int) -> list[float]:
    regular = [BOOKMARK_SECONDS * n for n in range(1, int((seconds - 3) // BOOKMARK_SECONDS) + 1)]
    return [*regular, *([seconds - 2.0] if seconds > 2 else [])]


def seen_as(query: Query, event: Event, fits: Callable[[Json], bool]) -> bytes | None:
    """The line that a selector makes of a change; None if it does not concern it."""
    before = event.old is not None and fits(event.old)
    after = event.type != "DELETED" and fits(event.obj)
    if after:
        return line("MODIFIED" if before else "ADDED", one(query, event.obj))
    if not before or event.old is None:
        return None
    metadata = {**event.old["metadata"], "resourceVersion": str(event.revision)}
    return line("DELETED", one(query, {**event.old, "metadata": metadata}))


def _bookmark(store: Store, query: Query, annotations: Json | None) -> bytes:
    metadata: Json = {"resourceVersion": str(store.revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    kind, version = query.kind.kind, query.kind.api_version
    obj: Json = {"kind": kind, "apiVersion": version, "metadata": metadata}
    if query.form != "object":
        obj |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    if query.form == "table":
        obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
               "columnDefinitions": [], "rows": []}  # fmt: skip
    return line("BOOKMARK", obj)


def line(event: str, obj: Any) -> bytes:
    return orjson.dumps({"type": event, "object": obj}) + b"\n"
