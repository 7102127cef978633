"""Streams of an app (its log, a build's output) end within seconds when the reader's right ends.

Their addresses carry their own right, as Heroku's do; what they carry is who
asked, so that taking the right, the token or the user away is felt by what is
open already, and by an address that was kept.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from apps.accounts.models import Authorization, User
from apps.accounts.policy import Actor, Right, right_on
from apps.catalog.models import App

RECHECK_SECONDS = 3.0

_Item = TypeVar("_Item")
_END: Final = object()


@dataclass(frozen=True)
class Reader:
    """Who asked for an address: a user, and the token they came with, if any."""

    user: str
    authorization: str | None

    @classmethod
    def of(cls, actor: Actor) -> Reader:
        token = actor.authorization
        return cls(str(actor.user.pk), str(token.pk) if token else None)


def actor_of(reader: Reader) -> Actor | None:
    """Who `reader` is now; None if the user may not sign in any more or the token has ended."""
    if reader.authorization is None:
        user = User.objects.filter(pk=reader.user, is_active=True).first()
        return Actor(user) if user else None
    usable = Authorization.objects.usable().select_related("user")
    token = usable.filter(pk=reader.authorization, user_id=reader.user).first()
    return Actor(token.user, frozenset(token.scopes), token) if token else None


def may_view(reader: Reader, app_id: uuid.UUID) -> bool:
    """Whether `reader` may still see the app."""
    close_old_connections()
    actor, app = actor_of(reader), App.objects.filter(pk=app_id).first()
    return actor is not None and app is not None and right_on(actor, app) >= Right.VIEW


# Not thread-sensitive: hundreds of open streams share a few threads and their connections.
may_view_async: Callable[[Reader, uuid.UUID], Awaitable[bool]] = sync_to_async(
    may_view, thread_sensitive=False
)


def while_permitted(
    stream: AsyncGenerator[_Item], reader: Reader, app_id: uuid.UUID
) -> AsyncGenerator[_Item]:
    """The items of `stream`, until it ends or `reader` may no longer see the app."""
    return while_true(stream, lambda: may_view_async(reader, app_id))


async def while_true(
    stream: AsyncGenerator[_Item], permitted: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[_Item]:
    """The items of `stream`, until it ends or `permitted` says no; it is asked now and then."""
    clock = asyncio.get_running_loop().time
    due = clock() + RECHECK_SECONDS
    coming: asyncio.Future[_Item | object] | None = None
    async with aclosing(stream):
        try:
            while True:
                coming = coming or asyncio.ensure_future(_next(stream))
                await asyncio.wait({coming}, timeout=max(0.0, due - clock()))
                if clock() >= due:
                    if not await permitted():
                        return
                    due = clock() + RECHECK_SECONDS
                if coming.done():
                    item, coming = coming.result(), None
                    if item is _END:
                        return
                    yield item  # type: ignore[misc]  # what is not the end is an item
        finally:
            if coming is not None:
                coming.cancel()
                with suppress(asyncio.CancelledError):
                    await coming


async def _next(stream: AsyncGenerator[_Item]) -> _Item | object:
    return await anext(stream, _END)
