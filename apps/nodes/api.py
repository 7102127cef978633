"""Nodes' tokens and the binary cache they get builds from, for admins."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts.schemas import ERRORS, Shape, actor_of, example
from apps.nodes import caching, tokens
from apps.nodes.models import NodeToken

router = Router(tags=["nodes"])


class NodeTokenOut(Shape):
    """`hint` is how the token begins."""

    id: uuid.UUID
    name: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None


class NodeTokenMade(NodeTokenOut):
    """`token` is in this answer, never again."""

    token: str


class NodeTokenIn(Shape):
    model_config = example(name="node-1")

    name: str


class CacheOut(Shape):
    """Sizes in bytes; `paths` and `size` are null where the cache is another's to look after."""

    url: str
    public_key: str
    paths: int | None
    size: int | None
    store: str
    kept_builds: int
    free: int


class CollectedOut(Shape):
    """How many paths have left the store, how many and how many bytes the cache.

    `cache_paths` and `cache_size` are null where the cache is another's to clear up.
    """

    store_paths: int
    cache_paths: int | None
    cache_size: int | None


@router.get("/nodes/tokens", response={200: list[NodeTokenOut], **ERRORS})
def list_node_tokens(request: HttpRequest) -> list[NodeTokenOut]:
    return [_shown(row) for row in tokens.all_tokens(actor_of(request))]


@router.post("/nodes/tokens", response={201: NodeTokenMade, **ERRORS})
def create_node_token(request: HttpRequest, body: NodeTokenIn) -> Status[NodeTokenMade]:
    """Make a token by which a node gets builds and images; it is shown this once."""
    made = tokens.create(actor_of(request), body.name)
    return Status(201, NodeTokenMade(**_shown(made.row).model_dump(), token=made.token))


@router.delete("/nodes/tokens/{token}", response={200: NodeTokenOut, **ERRORS})
def revoke_node_token(request: HttpRequest, token: str) -> NodeTokenOut:
    """Make a node's token, by name or id, worthless at once."""
    return _shown(tokens.revoke(actor_of(request), token))


@router.get("/nodes/cache", response={200: CacheOut, **ERRORS})
def show_cache(request: HttpRequest) -> CacheOut:
    """The binary cache: where it is, who signs, what is in it."""
    found = caching.look(actor_of(request))
    used = found.used
    return CacheOut(
        url=found.url,
        public_key=found.public_key,
        paths=used.paths if used else None,
        size=used.size if used else None,
        store=found.store,
        kept_builds=found.kept_builds,
        free=found.free,
    )


@router.post("/nodes/cache/actions/collect", response={200: CollectedOut, **ERRORS})
def collect_cache(request: HttpRequest) -> CollectedOut:
    """Delete what no kept release needs."""
    gone = caching.collect(actor_of(request))
    return CollectedOut(
        store_paths=gone.store_paths,
        cache_paths=gone.cache.paths if gone.cache else None,
        cache_size=gone.cache.size if gone.cache else None,
    )


def _shown(row: NodeToken) -> NodeTokenOut:
    return NodeTokenOut(
        id=row.id,
        name=row.name,
        hint=row.token_hint,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
