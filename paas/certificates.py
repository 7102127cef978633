"""The instance's own certificate authority, and the certificate of its attach sessions.

Heroku's client attaches over TLS even to localhost. So the instance signs a
certificate for itself; whoever attaches trusts `$PAAS_HOME/ca.pem`, also at
`GET /ca.pem`. The authority can sign for this instance's own names only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from paas.instance import Instance
from paas.keys import CA_KEY, read_key

AUTHORITY_LIFE = timedelta(days=3650)
AUTHORITY_RENEWAL = timedelta(days=365)
"""An authority with less than this left is signed anew, with the same key."""
CERTIFICATE_LIFE = timedelta(days=30)
CERTIFICATE_RENEWAL = timedelta(days=10)
_CLOCK_SKEW = timedelta(hours=1)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def ensure_authority(instance: Instance) -> None:
    """Write `ca.pem` if it is not there, runs out, or names other hosts than the instance's.

    Raises:
        KeysError: the authority's key is missing or badly kept.
        OSError: `PAAS_HOME` cannot be written.
    """
    key = _authority_key(instance)
    if not _is_current(instance, key):
        _write(instance.authority, _pem(_authority(instance, key)), mode=0o644)


def issue(instance: Instance) -> Path:
    """Sign a fresh certificate for the instance's names.

    Returns:
        A file that holds its key, itself and the authority's, as `ssl` loads them.

    Raises:
        KeysError: the authority's key is missing or badly kept.
        OSError: a file cannot be read or written.
    """
    authority_key, key = _authority_key(instance), ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_pem_x509_certificate(instance.authority.read_bytes())
    certificate = (
        _builder(key.public_key(), _name(instance.domain), authority.subject, CERTIFICATE_LIFE)
        .add_extension(x509.SubjectAlternativeName(list(_alternative_names(instance))), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False
        )
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = instance.run / "rendezvous.pem"
    _write(path, secret + _pem(certificate) + _pem(authority), mode=0o600)
    return path


# --- the authority ----------------------------------------------------------
def _authority_key(instance: Instance) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(read_key(instance, CA_KEY).encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _authority(instance: Instance, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    usage = x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    subject = _authority_name(key)
    return (
        _builder(key.public_key(), subject, subject, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(usage, True)
        .add_extension(_constraints(instance), True)
        .sign(key, hashes.SHA256())
    )


def _is_current(instance: Instance, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        known = x509.load_pem_x509_certificate(instance.authority.read_bytes())
        constraints = known.extensions.get_extension_for_class(x509.NameConstraints).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    fresh = known.not_valid_after_utc - datetime.now(UTC) > AUTHORITY_RENEWAL
    mine = known.public_key() == key.public_key()
    return fresh and mine and constraints == _constraints(instance)


def _authority_name(key: ec.EllipticCurvePrivateKey) -> x509.Name:
    """Unlike that of other instances, which one trust store may hold as well."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _name(f"paas instance {hashlib.sha256(public).hexdigest()[:12]}")


def _constraints(instance: Instance) -> x509.NameConstraints:
    """A stolen key would be good for this instance's names and nothing else."""
    hosts: list[x509.GeneralName] = [x509.DNSName(name) for name in _host_names(instance)]
    networks = [x509.IPAddress(network) for network in _networks(instance)]
    return x509.NameConstraints(permitted_subtrees=[*hosts, *networks], excluded_subtrees=None)


# --- the names ----------------------------------------------------------------
def _alternative_names(instance: Instance) -> Iterator[x509.GeneralName]:
    for name in _host_names(instance):
        yield x509.DNSName(name)
    for network in _networks(instance):
        yield x509.IPAddress(network.network_address)


def _host_names(instance: Instance) -> list[str]:
    return list(dict.fromkeys(name for name in ("localhost", instance.domain) if not _ip(name)))


def _networks(instance: Instance) -> list[_Network]:
    addresses = ("127.0.0.1", "::1", instance.domain, instance.bind)
    found = dict.fromkeys(network for text in addresses for network in _ip(text))
    return [network for network in found if not network.network_address.is_unspecified]


def _ip(text: str) -> list[_Network]:
    with suppress(ValueError):
        return [ipaddress.ip_network(text)]
    return []


# --- certificates ---------------------------------------------------------------
def _builder(
    public_key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Whole or not at all, and never readable by more than `mode` says."""
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
