"""Git's smart HTTP protocol as a raw ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from paas import faults
from paas.gateway import bodies, git, hooks, requests
from paas.gateway.bodies import BodyError, Receive
from paas.gateway.limits import FailedLogins
from paas.gateway.panel import Access, Panel, PanelError
from paas.gateway.pushes import Places, Push
from paas.gateway.relay import Client, Send, exchange
from paas.gateway.requests import RefusedError, Request, Scope

log = logging.getLogger(__name__)

_AT_ONCE = 64  # git services running; a deploying push is one of them
_PATIENCE = 30.0  # seconds a request waits for its turn
_LARGEST_ADVERTISEMENT = 64 * 1024 * 1024
_PUSH = "git-receive-pack"


@dataclass(frozen=True)
class Surroundings:
    """What all requests share. `repositories` holds every repository there is."""

    panel: Panel
    hook_server: hooks.HookServer
    hooks: Path
    repositories: Path
    places: Places


class Application:
    """Answers `/<app>.git/*` and `/healthz`."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._failures = FailedLogins()
        self._pushes: set[Push] = set()
        self._stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await _respond(send, 200, "ok")
            return
        try:
            await self._serve(scope, receive, send)
        except RefusedError as refused:
            await _respond(send, refused.status, refused.text, refused.headers)
        except BodyError as cut:
            await _respond(send, 400, f"The request is not complete: {cut}.")

    async def wind_down(self, moment: float) -> None:
        """Take no new push, give running ones `moment` seconds, then tell them to end."""
        self._stopping = True
        deadline = asyncio.get_running_loop().time() + moment
        while self._pushes and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        for push in self._pushes:
            push.interrupt()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = requests.parse(scope)
        if self._stopping:
            raise RefusedError(503, "The gateway is restarting; try again in a moment.")
        access = await self._access(request, requests.client_address(scope))
        async with self._turn():
            if request.advertises:
                await self._advertise(request, access, send)
            elif request.service == _PUSH:
                await self._receive_pack(request, access, receive, send)
            else:
                await self._upload_pack(request, access, receive, send)

    async def _access(self, request: Request, address: str) -> Access:
        if self._failures.blocked(address):
            raise RefusedError(429, "Too many wrong tokens from your address; wait a minute.")
        try:
            access = await self._around.panel.access(request.app, request.service, request.token)
        except PanelError as error:
            if error.status == 401:
                self._failures.record(address)
            raise _refusal(error, request.app) from error
        if access.repository.parent != self._around.repositories:
            raise RuntimeError(f"the panel named a foreign repository: {access.repository}")
        return access

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._turns.acquire(), _PATIENCE)
        except TimeoutError as error:
            raise RefusedError(
                503, "Too many pushes and fetches at once; try again soon."
            ) from error
        try:
            yield
        finally:
            self._turns.release()

    async def _advertise(self, request: Request, access: Access, send: Send) -> None:
        refs = await git.read_start(
            self._command(request, access), _environment(request), limit=_LARGEST_ADVERTISEMENT
        )
        if not refs:
            raise RefusedError(
                500, "git could not read the app's repository; the gateway's log says why."
            )
        content_type = f"application/x-{request.service}-advertisement"
        await _respond(send, 200, _preamble(request) + refs, content_type=content_type)

    async def _upload_pack(
        self, request: Request, access: Access, receive: Receive, send: Send
    ) -> None:
        process = await git.start(self._command(request, access), _environment(request))
        body = bodies.chunks(receive, gzipped=request.gzipped)
        await exchange(process, body, _client(request, receive, send), owned=False)

    async def _receive_pack(
        self, request: Request, access: Access, receive: Receive, send: Send
    ) -> None:
        faults.point("gateway.after_access")
        hooks.install(self._around.hooks)
        push = Push(self._around.panel, self._around.places, access)
        self._pushes.add(push)
        delivered = False
        try:
            with self._around.hook_server.expecting(push.receive) as hook_environment:
                process = await git.start(
                    self._command(request, access), _environment(request) | hook_environment
                )
                body = bodies.chunks(receive, gzipped=request.gzipped)
                client = _client(request, receive, send)
                delivered = await exchange(process, body, client, owned=True)
        finally:
            self._pushes.discard(push)
            await push.end(delivered=delivered)

    def _command(self, request: Request, access: Access) -> list[str]:
        return git.service_command(
            request.service, access.repository, self._around.hooks, advertise=request.advertises
        )


def _environment(request: Request) -> dict[str, str]:
    protocol = {"GIT_PROTOCOL": request.protocol} if request.protocol else {}
    return git.base_environment() | protocol


def _preamble(request: Request) -> bytes:
    """Version 2 of the protocol begins without the line that names the service."""
    if request.service != _PUSH and "version=2" in request.protocol.split(":"):
        return b""
    line = f"# service={request.service}\n"
    return f"{len(line) + 4:04x}{line}0000".encode()


def _client(request: Request, receive: Receive, send: Send) -> Client:
    return Client(receive, send, f"application/x-{request.service}-result")


def _refusal(error: PanelError, app: str) -> RefusedError:
    if error.status == 404:
        return RefusedError(
            404,
            f"There is no app {app} here, or it is not yours to see.\n"
            f"To create it: paas create {app}\nYours are listed by: paas apps",
        )
    return RefusedError(error.status, error.message)


async def _respond(
    send: Send,
    status: int,
    text: str | bytes,
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    content_type: str = "text/plain; charset=utf-8",
) -> None:
    body = text if isinstance(text, bytes) else f"{text}\n".encode()
    head = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-cache, max-age=0, must-revalidate"),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
