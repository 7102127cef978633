"""The key that signs what this instance builds: made once, in Nix's own format.

A private key is `<name>:<base64 of seed and public half>`, a public one
`<name>:<base64>` (ed25519). Nodes know it by name; system closures of nodes
are another key's.
"""

from __future__ import annotations

import base64
import binascii

NAME = "paas-ci"
_SEED, _WHOLE = 32, 64


def new_private_key() -> str:
    """A fresh key, as `nix-store --generate-binary-cache-key` makes it."""
    from cryptography.hazmat.primitives import serialization  # only the first run needs it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    raw, public = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    seed = key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    return f"{NAME}:{base64.b64encode(seed + key.public_key().public_bytes(raw, public)).decode()}"


def public_key(private_key: str) -> str:
    """The public half of what `new_private_key` made, for `trusted-public-keys`.

    Raises:
        ValueError: it is no such key.
    """
    name, _, text = private_key.strip().partition(":")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not a signing key of Nix's") from error
    if not name or len(data) != _WHOLE:
        raise ValueError("not a signing key of Nix's")
    return f"{name}:{base64.b64encode(data[_SEED:]).decode()}"
