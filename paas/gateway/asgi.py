"""Git's smart HTTP protocol as a raw ASGI application."""

from __future__ import annotations

from paas.gateway import bodies, requests
from paas.gateway.bodies import BodyError, Receive
from paas.gateway.http_client import HttpClient, Send
from paas.gateway.limits import FailedLogins
from paas.gateway.panel import Access, Token
from paas.gateway.protocol import RECEIVE_PACK, RefusedError
from paas.gateway.requests import Request, Scope
from paas.gateway.services import Job, Services

_RETRY_AFTER = {429: b"60", 503: b"5"}  # seconds


class Application:
    """Answers `/<app>.git/*` and `/healthz`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._failures = FailedLogins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await _respond(send, 200, "ok")
            return
        try:
            await self._serve(scope, receive, send)
        except RefusedError as refused:
            await _respond(send, refused.status, refused.text, _headers(refused.status))
        except BodyError as cut:
            await _respond(send, 400, f"The request is not complete: {cut}.")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = requests.parse(scope)
        login = Token(request.token)
        access = await self._access(request, login, requests.client_address(scope))
        job = Job(request.service, access, login, request.protocol)
        if request.advertises:
            await _respond_refs(send, request, await self._services.advertise(job))
            return
        body = bodies.chunks(receive, gzipped=request.gzipped)
        client = HttpClient(receive, send, f"application/x-{request.service}-result")
        await self._services.run(job, body, client)

    async def _access(self, request: Request, login: Token, address: str) -> Access:
        if self._failures.blocked(address):
            raise RefusedError(429, "Too many wrong tokens from your address; wait a minute.")
        try:
            return await self._services.access(request.app, request.service, login)
        except RefusedError as refused:
            if refused.status == 401:
                self._failures.record(address)
            raise


def _headers(status: int) -> list[tuple[bytes, bytes]]:
    """What belongs to a refusal with `status`."""
    if status == 401:
        return [(b"www-authenticate", b'Basic realm="paas", charset="UTF-8"')]
    return [(b"retry-after", _RETRY_AFTER[status])] if status in _RETRY_AFTER else []


async def _respond_refs(send: Send, request: Request, refs: bytes) -> None:
    content_type = f"application/x-{request.service}-advertisement"
    await _respond(send, 200, _preamble(request) + refs, content_type=content_type)


def _preamble(request: Request) -> bytes:
    """Version 2 of the protocol begins without the line that names the service."""
    if request.service != RECEIVE_PACK and "version=2" in request.protocol.split(":"):
        return b""
    line = f"# service={request.service}\n"
    return f"{len(line) + 4:04x}{line}0000".encode()


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
