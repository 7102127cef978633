"""What a request asks for, read from its ASGI scope, and what is refused at once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from paas.gateway.protocol import SERVICES, RefusedError, check_app, checked_version

Scope = MutableMapping[str, Any]

_PATH = re.compile(r"/([^/]+)\.git/(.+)")
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")

_DUMB = (
    "This server speaks git's smart HTTP protocol only. Use git 1.6.6 or newer,\n"
    "and unset GIT_SMART_HTTP."
)
_LOG_IN = (
    "A paas token is needed as the password; the user name does not matter.\n"
    "`paas auth:token` prints yours."
)


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
    return Request(
        app=check_app(app),
        service=service,
        advertises=advertises,
        token=token,
        protocol=checked_version(headers.get("git-protocol", "")),
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
