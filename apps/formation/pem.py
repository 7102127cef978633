"""What a user uploads as a certificate: read, and refused with the reason if it cannot serve."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from apps.accounts.errors import Refused

_LARGEST = 64 * 1024
_SHORTEST_RSA = 2048


@dataclass(frozen=True)
class Pair:
    """A chain and its key, both PEM and fit for each other."""

    chain: str
    key: str
    hostnames: tuple[str, ...]
    expires: datetime


def read(chain: str, key: str) -> Pair:
    """
    Raises:
        Refused: one of the two is no PEM, they do not belong together, the chain is
            no chain, it names no host, or its time is over.
    """
    certificates = _certificates(chain)
    leaf = certificates[0]
    private = _private_key(key)
    if _public(leaf.public_key()) != _public(private.public_key()):
        raise Refused(
            "The private key does not belong to the first certificate of the chain. The chain "
            "begins with the certificate of the domain; its key is the one it was asked for with."
        )
    _check_chain(certificates)
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        raise Refused(f"The certificate ran out on {leaf.not_valid_after_utc:%Y-%m-%d}.")
    if leaf.not_valid_before_utc > now:
        raise Refused(f"The certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}.")
    hostnames = hostnames_of(leaf)
    if not hostnames:
        raise Refused("The certificate names no host: it has no subjectAltName of type DNS.")
    text = "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)
    bare = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(text, bare.decode(), hostnames, leaf.not_valid_after_utc)


def hostnames_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names, in lower case; browsers have not looked at the common name for years."""
    with suppress(x509.ExtensionNotFound):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return tuple(name.lower() for name in names.value.get_values_for_type(x509.DNSName))
    return ()


def covers(hostnames: Iterable[str], host: str) -> bool:
    """Whether a certificate of these names serves `host`; a `*` stands for one label."""
    wild = f"*.{host.partition('.')[2]}"
    return any(name in (host, wild) for name in hostnames)


def leaf_of(chain: str) -> x509.Certificate:
    """The certificate of a chain that `read` has let pass."""
    return x509.load_pem_x509_certificate(chain.encode())


def _certificates(text: str) -> list[x509.Certificate]:
    if len(text) > _LARGEST:
        raise Refused(f"The chain is larger than {_LARGEST // 1024} KiB.")
    with suppress(ValueError):
        return x509.load_pem_x509_certificates(text.encode())
    raise Refused(
        "The chain is no PEM: it has to begin with -----BEGIN CERTIFICATE-----. Give the domain's "
        "certificate first, then those of the CA, in one file."
    )


def _private_key(text: str) -> PrivateKeyTypes:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise Refused(
            "The private key has a passphrase. Take it off: openssl pkey -in KEY -out PLAIN"
        ) from None
    except Exception:  # the library's own errors are many, and none of them may show the key
        raise Refused(
            "The private key is no PEM: it has to begin with -----BEGIN PRIVATE KEY-----."
        ) from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _SHORTEST_RSA:
        raise Refused(f"The key has {key.key_size} bits; browsers want {_SHORTEST_RSA} at least.")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Refused("The private key is neither RSA nor ECDSA: browsers know no other.")
    return key


def _public(key: object) -> bytes:
    data: bytes = key.public_bytes(  # type: ignore[attr-defined]
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return data


def _check_chain(certificates: list[x509.Certificate]) -> None:
    for one, issuer in pairwise(certificates):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise Refused(
                f"The chain is broken: {one.subject.rfc4514_string() or 'its first certificate'} "
                f"was not issued by {issuer.subject.rfc4514_string()}, which comes after it. Put "
                "each certificate before the one of its issuer."
            ) from None
