"""The secret in a `rendezvous://` address: what the panel has allowed, signed, for a minute.

The panel makes it and the gateway reads it; both have the internal token. It
is stored nowhere. That it works once is the runtime's matter: a one-off
is attached to once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import asdict, dataclass

from paas.runtimes.base import ATTACH_TIMEOUT, Terminal

LONGEST = 1024  # characters
_PURPOSE = b"rendezvous"


class TicketError(Exception):
    """Forged, damaged, or too old."""


@dataclass(frozen=True)
class Ticket:
    """The right to attach to one one-off.

    Args:
        app_id, name: which ("run.7").
        terminal: the size of the terminal it gets, or None for pipes.
        user, authorization: ids of who asked, and of the token they came with, if any.
        marks_status: end the output with the line by which Heroku's client
            knows the exit status.
    """

    app_id: str
    name: str
    terminal: Terminal | None
    user: str
    authorization: str | None
    marks_status: bool = False


def seal(ticket: Ticket, token: str, *, now: float | None = None) -> str:
    """The ticket as a text fit for an address, good for `ATTACH_TIMEOUT` seconds.

    Args:
        token: the internal token.
    """
    end = (time.time() if now is None else now) + ATTACH_TIMEOUT
    claim = json.dumps({**asdict(ticket), "expires": end}, separators=(",", ":")).encode()
    return _text(claim + _signature(claim, token))


def unseal(text: str, token: str, *, now: float | None = None) -> Ticket:
    """What `seal` has sealed.

    Raises:
        TicketError: it is none of ours, or its time is over.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise TicketError("it is no ticket") from None
    claim, signature = data[:-_SIZE], data[-_SIZE:]
    if not hmac.compare_digest(signature, _signature(claim, token)):
        raise TicketError("its signature is wrong")
    facts = json.loads(claim)
    if facts.pop("expires") < (time.time() if now is None else now):
        raise TicketError("its time is over")
    size = facts.pop("terminal")
    return Ticket(**facts, terminal=Terminal(**size) if size else None)


_SIZE = hashlib.sha256().digest_size


def _signature(claim: bytes, token: str) -> bytes:
    key = hmac.digest(token.encode(), _PURPOSE, "sha256")
    return hmac.digest(key, claim, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
