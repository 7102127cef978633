"""SSH keys in OpenSSH's formats, as far as the standard library goes."""

from __future__ import annotations

import base64
import hashlib
import struct

_PRIVATE_MAGIC = b"openssh-key-v1\0"


def new_private_key() -> str:
    """A fresh ed25519 key without a passphrase."""
    from cryptography.hazmat.primitives import serialization  # only the first run needs it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_blob(private_key: str) -> bytes:
    """The public half of a private key that `new_private_key` made (see OpenSSH's PROTOCOL.key).

    Raises:
        ValueError: it is no such key.
    """
    lines = private_key.strip().splitlines()
    data = base64.b64decode("".join(lines[1:-1]), validate=True)
    if not data.startswith(_PRIVATE_MAGIC):
        raise ValueError("not a private key in OpenSSH's format")
    rest = data[len(_PRIVATE_MAGIC) :]
    for _ in ("cipher", "key derivation", "its options"):
        _, rest = take_string(rest)
    blob, _ = take_string(rest[4:])  # after the number of keys
    return blob


def fingerprint(blob: bytes) -> str:
    """As `ssh-keygen -l` shows it: `SHA256:…`."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def take_string(data: bytes) -> tuple[bytes, bytes]:
    """SSH's `string` at the start of `data`, and what follows it (RFC 4251, 5).

    Raises:
        ValueError: there is none.
    """
    if len(data) < 4:
        raise ValueError("cut off")
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise ValueError("cut off")
    return data[4 : 4 + length], data[4 + length :]
