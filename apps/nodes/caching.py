"""Looking at the binary cache and collecting it, for admins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings

from apps.accounts.errors import Conflict, Unavailable
from apps.accounts.policy import Actor, require_admin
from apps.activity.record import record
from paas.nix import room
from paas.nix.cache import Cache
from paas.nix.cache_folder import Usage
from paas.nix.errors import NixError, StoreBusy
from paas.nix.store import Store


@dataclass(frozen=True)
class CacheFacts:
    """The cache as it is; `used` is None where another's store is the cache. Sizes in bytes."""

    url: str
    public_key: str
    used: Usage | None
    store: str
    kept_builds: int
    free: int


def look(actor: Actor) -> CacheFacts:
    """
    Raises:
        Unavailable: there is no Nix here that can be used.
    """
    require_admin(actor)
    with _told():
        store, cache = Store.of(settings.INSTANCE), Cache.of(settings.INSTANCE)
    return CacheFacts(
        url=cache.url or f"{settings.INSTANCE.origin}/cache/",
        public_key=cache.public_key,
        used=cache.folder.usage() if cache.folder is not None else None,
        store=store.config.remote,
        kept_builds=len(store.roots.all()),
        free=room.free(store),
    )


def collect(actor: Actor) -> room.Collected:
    """Delete what no kept release needs, from the store and from the cache.

    Raises:
        Conflict: builds are going on.
        Unavailable: there is no Nix here that can be used.
    """
    require_admin(actor)
    with _told():
        gone = room.collect(Store.of(settings.INSTANCE), Cache.of(settings.INSTANCE))
    record(
        "cache.collect",
        actor_id=actor.user.id,
        actor=str(actor),
        store_paths=gone.store_paths,
        cache_paths=gone.cache.paths if gone.cache else None,
    )
    return gone


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except StoreBusy as error:
        raise Conflict(str(error)) from error
    except NixError as error:
        raise Unavailable(str(error)) from error
