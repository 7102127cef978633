"""The grammar of a public SSH key: one line, a kind and a size we trust, and nothing else."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from apps.accounts.errors import Refused
from paas.ssh_keys import fingerprint, take_string

KINDS = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
RSA_BITS = range(2048, 16384 + 1)

_LONGEST_LINE = 16 * 1024  # an RSA key of 16384 bits has 2.8 kB
LONGEST_COMMENT = 200

_MAKE_ONE = "Make one with: ssh-keygen -t ed25519"
_PASTE = "Paste the one line of the file that ends in .pub, such as ~/.ssh/id_ed25519.pub."


@dataclass(frozen=True)
class PublicKey:
    """`kind` and `blob` are the key itself; `comment` is its owner's own word for it."""

    kind: str
    blob: bytes
    comment: str

    @property
    def text(self) -> str:
        """As a line without its comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)


def parse(text: str) -> PublicKey:
    """Read the line of a `.pub` file.

    Raises:
        Refused: it is no public key that we accept; says why and what to do.
    """
    line = text.strip()
    if "PRIVATE KEY" in line:
        raise Refused(
            "This is a private key. It must never leave its machine: if others could have read "
            f"what you sent, make a new one. {_PASTE}"
        )
    if len(line.splitlines()) > 1:
        raise Refused(f"This is more than one line. Add one key at a time. {_PASTE}")
    if not line or len(line) > _LONGEST_LINE or not line.isprintable():
        raise Refused(f"This is no public SSH key. {_PASTE}")
    return _parse_line(line)


def _parse_line(line: str) -> PublicKey:
    kind, _, rest = line.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    _check_kind(kind)
    blob = _decode(encoded)
    if _kind_in(blob) != kind:
        raise _malformed()
    _check_content(f"{kind} {encoded}")
    return PublicKey(kind, blob, comment.strip()[:LONGEST_COMMENT])


def _check_kind(kind: str) -> None:
    if kind in KINDS:
        return
    if kind == "ssh-dss":
        raise Refused(f"DSA keys are too weak. {_MAKE_ONE}")
    if "-cert-v0" in kind:
        raise Refused("Certificates are not accepted. Add the key itself: its file has no -cert.")
    raise Refused(
        "This is no public SSH key, or of a kind that is not accepted: ed25519, ecdsa, rsa and "
        f"their sk- forms are, without options before them. {_PASTE}"
    )


def _decode(encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed() from error
    if base64.b64encode(blob).decode() != encoded:
        raise _malformed()  # two spellings of one key would be two keys
    return blob


def _kind_in(blob: bytes) -> str:
    try:
        return take_string(blob)[0].decode("ascii", "replace")
    except ValueError as error:
        raise _malformed() from error


def _check_content(line: str) -> None:
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _malformed() from error
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        raise Refused(
            f"This RSA key has {key.key_size} bits; it must have {RSA_BITS.start} to "
            f"{RSA_BITS.stop - 1}. {_MAKE_ONE}"
        )


def _malformed() -> Refused:
    return Refused(f"This key is damaged: parts are missing or changed. {_PASTE}")
