"""Certificates as a user would upload them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Authority = tuple[x509.Name, ec.EllipticCurvePrivateKey, str]


def authority(name: str = "Test CA") -> Authority:
    """One that signs itself: its name, its key, and it as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    made = _builder(subject, subject, key, days=90).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    return subject, key, _pem(made.sign(key, hashes.SHA256()))


def pair(*hosts: str, days: int = 30, by: Authority | None = None) -> tuple[str, str]:
    """A chain for `hosts`, good for so many days, and its key; signed by itself without `by`."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, signer, above = by or (_name("leaf"), key, "")
    builder = _builder(_name("leaf"), issuer, key, days=days)
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return _pem(builder.sign(signer, hashes.SHA256())) + above, private(key)


def private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
