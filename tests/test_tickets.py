"""The secrets of `rendezvous://` addresses."""

from __future__ import annotations

import pytest

from paas import tickets
from paas.runtimes.base import ATTACH_TIMEOUT, Terminal
from paas.tickets import Ticket, TicketError

TOKEN = "internal token"
TICKETS = [
    Ticket("id-1", "run.7", Terminal(120, 40), "user", "token", marks_status=True),
    Ticket("id-1", "run.8", None, "user", None),
]


@pytest.mark.parametrize("ticket", TICKETS)
def test_what_is_sealed_comes_back(ticket: Ticket) -> None:
    secret = tickets.seal(ticket, TOKEN)
    assert tickets.unseal(secret, TOKEN) == ticket
    assert secret.isascii() and "/" not in secret and len(secret) < tickets.LONGEST


def test_only_for_a_minute() -> None:
    secret = tickets.seal(TICKETS[0], TOKEN, now=1000.0)
    assert tickets.unseal(secret, TOKEN, now=1000.0 + ATTACH_TIMEOUT - 1)
    with pytest.raises(TicketError, match="over"):
        tickets.unseal(secret, TOKEN, now=1000.0 + ATTACH_TIMEOUT + 1)


def test_another_key_is_none_of_ours() -> None:
    with pytest.raises(TicketError):
        tickets.unseal(tickets.seal(TICKETS[0], "another"), TOKEN)


def test_every_changed_character_is_noticed() -> None:
    secret = tickets.seal(TICKETS[1], TOKEN)
    for place, character in enumerate(secret[:-1]):  # the last one has bits that mean nothing
        changed = secret[:place] + ("A" if character != "A" else "B") + secret[place + 1 :]
        with pytest.raises(TicketError):
            tickets.unseal(changed, TOKEN)


@pytest.mark.parametrize("nonsense", ["", "x", "é", "A" * 2000, "....", "\0"])
def test_nonsense_is_refused(nonsense: str) -> None:
    with pytest.raises(TicketError):
        tickets.unseal(nonsense, TOKEN)
