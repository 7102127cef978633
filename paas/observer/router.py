"""Router lines: one entry of Caddy's JSON access log becomes Heroku's router line.

The front door's configuration adds three fields to Caddy's own: `upstream`
(host:port that answered), `request_id`, and `code` (an H code) where the
front door answered for the app.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from apps.logs.lines import PLATFORM, Message, printable

ROUTER = "router"
PATH_CHARS = 1_000
VALUE_CHARS = 255

DESCRIPTIONS = {
    "H10": "App crashed",
    "H12": "Request timeout",
    "H13": "Connection closed without response",
    "H14": "No web processes running",
    "H18": "Server Request Interrupted",
    "H20": "App boot timeout",
    "H27": "Client Request Interrupted",
    "H80": "Maintenance mode",
    "H81": "Blank app",
    "H99": "Platform error",
}
"""Heroku's error codes and their texts, for what can happen here."""

_CLIENT_CLOSED = 499
_UNSAFE = re.compile(r'[\s"]')


class Entry(NamedTuple):
    """One request, as the access log tells it."""

    time: datetime
    host: str
    port: int | None
    fields: Mapping[str, Any]


def parse(raw: bytes) -> Entry | None:
    """An entry of the access log, or None for a line that is none (torn by a crash)."""
    try:
        fields = orjson.loads(raw)
        host = str(fields["request"]["host"])
        time = datetime.fromtimestamp(float(fields["ts"]), UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
    return Entry(time, _host_name(host), _port(fields.get("upstream")), fields)


def message_of(entry: Entry, process: str) -> Message:
    """The router line; `process` is who answered, empty for nobody."""
    fields, request = entry.fields, entry.fields["request"]
    # Over loopback the time to connect is below what its field can show.
    return Message(
        entry.time,
        PLATFORM,
        ROUTER,
        f"{_outcome(fields)} method={_plain(request.get('method'))}"
        f" path={_quoted(request.get('uri'), PATH_CHARS)} host={_plain(request.get('host'))}"
        f" request_id={_plain(fields.get('request_id'))}"
        f" fwd={_quoted(request.get('client_ip') or request.get('remote_ip'), VALUE_CHARS)}"
        f" dyno={process} connect=0ms service={round(_number(fields.get('duration')) * 1000)}ms"
        f" status={int(_number(fields.get('status')))} bytes={int(_number(fields.get('size')))}"
        f" protocol={'https' if request.get('tls') else 'http'}",
    )


def _outcome(fields: Mapping[str, Any]) -> str:
    if fields.get("status") == _CLIENT_CLOSED:
        return f'sock=client at=warning code=H27 desc="{DESCRIPTIONS["H27"]}"'
    code = _plain(fields.get("code"))
    return f'at=error code={code} desc="{DESCRIPTIONS.get(code, "Error")}"' if code else "at=info"


def _plain(value: object) -> str:
    """A value that stands without quotes: no blanks, no quotes, bounded."""
    return _UNSAFE.sub("", _text(value))[:VALUE_CHARS]


def _quoted(value: object, limit: int) -> str:
    """A value in double quotes; those inside it are percent-encoded, as in a URL."""
    text = _text(value).replace('"', "%22")
    return f'"{text[:limit]}…"' if len(text) > limit else f'"{text}"'


def _text(value: object) -> str:
    """Safe for one line: the client chose it."""
    return printable(value) if isinstance(value, str) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _host_name(host: str) -> str:
    """Without port, in lower case: names are compared so (RFC 9110, 4.2.3)."""
    name, _, port = host.rpartition(":")
    return (name if name and (port.isdigit() or not port) else host).lower()


def _port(upstream: object) -> int | None:
    digits = upstream.rpartition(":")[2] if isinstance(upstream, str) else ""
    return int(digits) if digits.isdecimal() else None
