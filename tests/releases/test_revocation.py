"""What is open is cut within seconds when the right to see it ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from apps.accounts import authorizations
from apps.accounts.authorizations import Issued, issue
from apps.accounts.models import Authorization, User
from apps.accounts.policy import Actor, Right
from apps.builds.log import End
from apps.builds.models import Build
from apps.builds.paths import build_log
from apps.catalog import watching
from apps.catalog.models import App, Collaborator
from apps.releases.create import Contents, create_release
from apps.releases.log import release_log
from tests.conftest import Api

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RECHECK_SECONDS", 0.05)


@pytest.fixture
def viewer(hello: App, bob: User) -> Issued:
    """Bob's token; he may look at Alice's app."""
    Collaborator.objects.create(app=hello, user=bob, right=Right.VIEW)
    return issue(bob)


def _log_session(token: str, hello: App) -> str:
    status, made = Api(token)("POST", "/apps/hello/log-sessions", {"tail": True})
    assert status == 201
    return str(made["logplex_url"])


def _build_output(token: str, hello: App) -> str:
    build = Build.objects.create(app=hello, user=hello.owner, commit="c" * 40, branch="main")
    build_log(build).write("-----> Building")
    return str(Api(token)("GET", "/apps/hello/builds/latest")[1]["output_stream_url"])


def _release_output(token: str, hello: App) -> str:
    release = create_release(hello, hello.owner, lambda newest: Contents(None, {}, "Set A"), wait=0)
    release_log(release).write("Starting")
    return str(Api(token)("GET", "/apps/hello/releases/1")[1]["output_stream_url"])


def _take_the_right(viewer: Issued) -> None:
    Collaborator.objects.all().delete()


def _revoke_the_token(viewer: Issued) -> None:
    authorizations.revoke(Actor(viewer.authorization.user), viewer.authorization.id)


def _remove_the_user(viewer: Issued) -> None:
    viewer.authorization.user.delete()


def _narrow_the_token(viewer: Issued) -> None:
    Authorization.objects.filter(pk=viewer.authorization.pk).update(scopes=["identity"])


async def _open(url: str) -> Any:
    return await AsyncClient().get(urlsplit(url).path, headers={"Host": "localhost"})


STREAMS = pytest.mark.parametrize("address", [_log_session, _build_output, _release_output])


@STREAMS
@pytest.mark.parametrize(
    "end", [_take_the_right, _revoke_the_token, _remove_the_user, _narrow_the_token]
)
def test_an_open_stream_is_cut(
    hello: App, viewer: Issued, address: Callable[..., str], end: Callable[..., None]
) -> None:
    async def scene(url: str) -> int:
        response = await _open(url)
        assert isinstance(response, StreamingHttpResponse)
        chunks: AsyncIterator[bytes] = aiter(response)
        assert await anext(chunks)
        await sync_to_async(end)(viewer)
        async for _ in chunks:
            pass
        return int((await _open(url)).status_code)

    url = address(viewer.token, hello)
    status = asyncio.run(asyncio.wait_for(scene(url), 20))
    assert status == 404, "an address that was kept opens nothing"


@STREAMS
def test_who_keeps_the_right_is_not_cut(
    hello: App, viewer: Issued, address: Callable[..., str]
) -> None:
    async def scene(url: str) -> None:
        chunks = aiter(await _open(url))
        await anext(chunks)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                async for _ in chunks:
                    pass

    asyncio.run(asyncio.wait_for(scene(address(viewer.token, hello)), 20))


def test_a_stream_that_ends_by_itself_ends_at_once(
    hello: App, viewer: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(url: str) -> bytes:
        return b"".join([chunk async for chunk in await _open(url)])

    url = _build_output(viewer.token, hello)
    build_log(Build.objects.get()).close(End("failed"))
    monkeypatch.setattr(watching, "RECHECK_SECONDS", 60.0)
    assert asyncio.run(asyncio.wait_for(scene(url), 10)) == b"-----> Building\n"


def test_an_app_that_is_gone_is_seen_by_nobody(hello: App) -> None:
    reader = watching.Reader.of(Actor(hello.owner))
    assert watching.may_view(reader, hello.id)
    assert not watching.may_view(reader, uuid.uuid4())
