"""Which host names an app may have beside its own: how they are written, and what is refused."""

from __future__ import annotations

import ipaddress

import idna

from apps.accounts.errors import Refused
from apps.catalog.names import HOST_NAME

_LONGEST = 253  # RFC 1035, as text without the last dot


def normalize(text: str) -> str:
    """A host name as it is kept and compared: lower case, IDNA 2008, no dot at the end.

    Raises:
        Refused: it is none, or something else (an address, a URL, a wildcard).
    """
    name = text.strip().rstrip(".")
    _refuse_what_is_no_name(name)
    try:
        ascii_name = idna.encode(name, uts46=True).decode() if not name.isascii() else name.lower()
    except idna.IDNAError as error:
        raise Refused(f"{text!r} is no host name: {error}.") from None
    if not HOST_NAME.matches(ascii_name):
        raise Refused(f"{text!r} is no host name. {HOST_NAME.rule}")
    if ascii_name.rpartition(".")[2].isdecimal():
        raise Refused(f"{text!r} is no host name: its last part cannot be a number.")
    return ascii_name


def refuse_ours(name: str, *, domain: str) -> None:
    """Keep what belongs to the instance out of anybody's hands.

    Args:
        domain: the instance's; the panel answers there, and apps below it.

    Raises:
        Refused: `name` is one of these.
    """
    for own in {domain, "localhost"}:
        if name == own or name.endswith(f".{own}"):
            raise Refused(
                f"{name} belongs to this server: names below {own} are given to apps by their "
                "own names. Add a name of a domain that is yours."
            )


def _refuse_what_is_no_name(name: str) -> None:
    if len(name) > _LONGEST:
        raise Refused(f"A host name has {_LONGEST} characters at most.")
    if "/" in name:
        raise Refused(f"{name!r} is an address. Give the host name alone, as in www.example.com.")
    if name.startswith("*."):
        raise Refused(
            f"{name} is a wildcard: those are not offered, because each name gets a certificate "
            "of its own. Add the names one by one."
        )
    if _is_ip(name):
        raise Refused(f"{name} is an IP address. Add a host name that points to it.")
    if ":" in name:
        raise Refused(f"{name!r} has a port. Give the host name alone, as in www.example.com.")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
