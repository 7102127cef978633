"""What a request asks for, read from its ASGI scope, and what is refused at once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]

SERVICES = ("git-upload-pack", "git-receive-pack")

_PATH = re.compile(r"/([^/]+)\.git/(.+)")
_APP = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_PROTOCOL = re.compile(r"[a-z0-9]+(=[a-z0-9]+)?(:[a-z0-9]+(=[a-z0-9]+)?)*")
_LONGEST_PROTOCOL = 128
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")

_DUMB = (
    "This server speaks git's smart HTTP protocol only. Use git 1.6.6 or newer,\n"
    "and unset GIT_SMART_HTTP."
)
_LOG_IN = (
    "A paas token is needed as the password; the user name does not matter.\n"
    "`paas auth:token` prints yours."
)


class RefusedError(Exception):
    """The request is answered with `status` and a text that git shows as `remote: …`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        if self.status == 401:
            return [(b"www-authenticate", b'Basic realm="paas", charset="UTF-8"')]
        if self.status in (429, 503):
            return [(b"retry-after", b"60" if self.status == 429 else b"5")]
        return []


@dataclass(frozen=True)
class Request:
    """One of the two requests of git's smart protocol.

    `advertises`: the first one (info/refs); else the exchange itself.
    `protocol` is the Git-Protocol header, "" if absent or malformed.
    """

    app: str
    service: str
    advertises: bool
    token: str
    protocol: str
    gzipped: bool


def client_address(scope: Scope) -> str:
    """Who asks, by the front door's word: the gateway's own peer is always the front door."""
    forwarded = _headers(scope).get("x-forwarded-for", "")
    return forwarded.rpartition(",")[2].strip()


def parse(scope: Scope) -> Request:
    """Read an HTTP scope.

    Raises:
        RefusedError: not git's smart protocol, or without a token.
    """
    headers = _headers(scope)
    app, rest = _split(scope["path"])
    advertises = rest == "info/refs"
    service = _service_asked(scope) if advertises else rest
    _check(scope["method"], service, headers, advertises=advertises)
    token = _token(headers.get("authorization", ""))
    if not token:
        raise RefusedError(401, _LOG_IN)
    if not _APP.fullmatch(app):
        raise RefusedError(
            404, "No app can have this name: use a-z, 0-9 and -, 3 to 30 characters."
        )
    return Request(
        app=app,
        service=service,
        advertises=advertises,
        token=token,
        protocol=_protocol(headers.get("git-protocol", "")),
        gzipped=headers.get("content-encoding", "identity") != "identity",
    )


def _headers(scope: Scope) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _split(path: str) -> tuple[str, str]:
    match = _PATH.fullmatch(path)
    if not match:
        raise RefusedError(404, "Nothing is here. An app's repository is at /<app>.git")
    return match[1], match[2]


def _service_asked(scope: Scope) -> str:
    query: dict[str, list[str]] = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("service", [""])[0]


def _check(method: str, service: str, headers: Mapping[str, str], *, advertises: bool) -> None:
    if service not in SERVICES:
        raise RefusedError(403, _DUMB)
    if method != ("GET" if advertises else "POST"):
        raise RefusedError(405, "The method does not fit: GET info/refs, POST the services.")
    if not advertises and headers.get("content-type") != f"application/x-{service}-request":
        raise RefusedError(415, f"The body must be application/x-{service}-request.")
    if headers.get("content-encoding", "identity") not in ("identity", "gzip", "x-gzip"):
        raise RefusedError(415, "The body may be gzipped, and nothing else.")


def _token(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    token = value.strip()
    if scheme.lower() == "basic":
        token = _password(token)
    elif scheme.lower() != "bearer":
        return ""
    return token if _TOKEN.fullmatch(token) else ""


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _protocol(header: str) -> str:
    fits = len(header) <= _LONGEST_PROTOCOL and _PROTOCOL.fullmatch(header)
    return header if fits else ""
