"""The store path of a file by its hash, before it is there.

Nix's manual, "Store path specification": a file added by its flat hash lies at
a path made of that hash and its name alone.
"""

from __future__ import annotations

import hashlib
import re

from paas.nix.store import STORE

_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"  # Nix's base 32: no e, o, t, u
_BYTES = 20
_UNSAFE = re.compile(r"[^0-9A-Za-z+._?=-]")


def fixed_path(name: str, algorithm: str, digest: str) -> str:
    """Where `nix-store --add-fixed` puts a file.

    Args:
        name: the file's, made of letters, digits and +-._?= alone.
        algorithm: "sha256", "sha512" or "sha1".
        digest: its hash in hexadecimal.
    """
    inner = hashlib.sha256(f"fixed:out:{algorithm}:{digest}:".encode()).hexdigest()
    whole = hashlib.sha256(f"output:out:sha256:{inner}:{STORE}:{name}".encode()).digest()
    short = bytearray(_BYTES)
    for position, byte in enumerate(whole):
        short[position % _BYTES] ^= byte
    return f"{STORE}/{_base32(bytes(short))}-{name}"


def safe_name(text: str) -> str:
    """`text` as the name of a store path."""
    return _UNSAFE.sub("-", text).lstrip(".-")[:200] or "file"


def _base32(data: bytes) -> str:
    number = int.from_bytes(data, "little")
    length = (len(data) * 8 + 4) // 5
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
