"""HTTP to the panel: JSON requests, lists in pages, and streams.

`http.client` and not a library: the command must start fast.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from paas.cli.errors import ApiError, CliError, ConnectionCut, UsageError
from paas.cli.target import HOW_TO_SIGN_IN, Target

TIMEOUT = 60.0  # seconds; a second writer waits up to 30 s inside the panel
STREAM_TIMEOUT = 60.0  # seconds of silence; the panel sends a sign of life every 10
_PAGES = 1000
_ABSENT = (502, 503, 504)  # a front door speaks, not the panel, which always explains

_ACCEPT = "application/vnd.heroku+json; version=3"


@dataclass(frozen=True)
class Answer:
    """`headers` has lower-case names; `body` is the decoded JSON, None when there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Panel:
    """The REST API of one panel."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def get(self, *path: str) -> Any:
        return self.request("GET", *path).body

    def post(self, *path: str, body: object) -> Any:
        return self.request("POST", *path, body=body).body

    def patch(self, *path: str, body: object) -> Any:
        return self.request("PATCH", *path, body=body).body

    def put(self, *path: str, body: object) -> Any:
        return self.request("PUT", *path, body=body).body

    def delete(self, *path: str) -> Any:
        return self.request("DELETE", *path).body

    def newest(self, *path: str, by: str, count: int) -> list[Any]:
        """The `count` of a list whose property `by` is the highest, the highest first."""
        asked = {"Range": f"{by} ..; max={count}, order=desc"}
        found: list[Any] = self.request("GET", *path, headers=asked).body or []
        return found[:count]

    def list(self, *path: str) -> list[Any]:
        """All pages of a list (Heroku: 206 with `Next-Range`)."""
        found: list[Any] = []
        headers: dict[str, str] = {}
        for _ in range(_PAGES):
            answer = self.request("GET", *path, headers=headers)
            found.extend(answer.body or [])
            following = answer.headers.get("next-range")
            if answer.status != 206 or not following or headers.get("Range") == following:
                break
            headers = {"Range": following}
        return found

    def request(
        self,
        method: str,
        *path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """One call; every part of `path` is quoted.

        Args:
            timeout: seconds until an answer must begin.

        Raises:
            ApiError: the panel refused.
            ConnectionCut: the panel is not there.
            UsageError: a part of the path names nothing ("", "." or "..").
        """
        sent = {"Accept": _ACCEPT, **(headers or {})}
        if self.target.token:
            sent["Authorization"] = f"Bearer {self.target.token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        where = self.target.parts
        url = where._replace(path=where.path + _join(path))
        with _exchange(url, method, sent, data, timeout) as response:
            return _decode(response, _origin(url))

    def text(self, *path: str) -> str:
        """An answer that is no JSON.

        Raises:
            ApiError, ConnectionCut: as for `request`.
        """
        where = self.target.parts
        url = where._replace(path=where.path + _join(path))
        with self.stream(url.geturl()) as chunks:
            return b"".join(chunks).decode()

    @contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The answer's bytes as they come. The address carries its own right: no token is sent.

        Raises:
            ApiError, ConnectionCut: as for `request`; the latter also while bytes are read.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CliError("The panel gave an address that is none for its stream.")
        with _exchange(parts, "GET", dict(headers or {}), None, STREAM_TIMEOUT) as response:
            if response.status != 200:
                _decode(response, _origin(parts))
                raise CliError(f"The stream answered {response.status}.")
            yield _chunks(response, _origin(parts))


def _origin(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc}"


def _join(path: tuple[str, ...]) -> str:
    for part in path:
        if part in ("", ".", ".."):
            raise UsageError(f"{part!r} is no name.")
    return "".join("/" + quote(part, safe="") for part in path)


@contextmanager
def _exchange(
    url: SplitResult, method: str, headers: dict[str, str], data: bytes | None, timeout: float
) -> Iterator[http.client.HTTPResponse]:
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    address = url.path + (f"?{url.query}" if url.query else "")
    headers["User-Agent"] = "paas-cli"
    connection = kind(url.hostname or "", url.port, timeout=timeout)
    try:
        with _as_cut(_origin(url), timeout):
            connection.request(method, address or "/", body=data, headers=headers)
            response = connection.getresponse()
        with response:
            yield response
    finally:
        connection.close()


@contextmanager
def _as_cut(origin: str, timeout: float) -> Iterator[None]:
    try:
        yield
    except ConnectionRefusedError as error:
        raise ConnectionCut(
            f"The panel at {origin} is not answering. Is `make up` running?"
        ) from error
    except TimeoutError as error:
        raise ConnectionCut(
            f"The panel at {origin} did not answer within {timeout:.0f} s.",
            "Try again; `paas doctor` on its machine says what is wrong.",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionCut(
            f"The panel at {origin} cannot be reached: {error or type(error).__name__}."
        ) from error


def _chunks(response: http.client.HTTPResponse, origin: str) -> Iterator[bytes]:
    while True:
        with _as_cut(origin, STREAM_TIMEOUT):
            chunk = response.read1(65536)
        if not chunk:
            return
        yield chunk


def _decode(response: http.client.HTTPResponse, origin: str) -> Answer:
    with _as_cut(origin, TIMEOUT):
        raw = response.read()
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = None
        if response.status < 300:
            raise CliError(
                "The answer is not JSON: is this address a paas panel's?",
                "Check PAAS_URL.",
            ) from None
    headers = {name.lower(): value for name, value in response.getheaders()}
    if response.status in _ABSENT and body is None:
        raise ConnectionCut(
            f"The front door at {origin} answered {response.status}: the panel is not behind it.",
            "Try again in a moment; it may be starting.",
        )
    if not 200 <= response.status < 300:
        raise _refusal(response.status, body)
    return Answer(response.status, headers, body)


def _refusal(status: int, body: Any) -> ApiError:
    facts = body if isinstance(body, dict) else {}
    message = str(facts.get("message") or f"The panel answered {status} without an explanation.")
    hint = HOW_TO_SIGN_IN if status == 401 else ""
    if not hint and facts.get("url"):
        hint = f"See {facts['url']}"
    return ApiError(status, str(facts.get("id") or "unknown"), message, hint)
