"""The instance's keys: made once, kept outside the database, refused when others can read them.

Each is a file of mode 0600 in `$PAAS_HOME/keys`. There is no default for any.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from paas import ssh_keys
from paas.instance import Instance, InstanceError, make_private
from paas.launcher import postgres
from paas.nix import signing

SECRET_KEY = "secret_key"  # noqa: S105 - a file's name
CONFIG_KEYS = "config_keys"
INTERNAL_TOKEN = "internal_token"  # noqa: S105 - a file's name
SSH_HOST_KEY = "ssh_host_ed25519_key"
CA_KEY = "ca_key"
NIX_KEY = "nix_ci_key"

# What the database holds can be read or verified only with these.
BELONG_TO_DATABASE = (SECRET_KEY, CONFIG_KEYS)


class KeysError(InstanceError):
    """A key is missing or badly kept; the text says which, why it matters and what to do."""


def ensure_keys(instance: Instance) -> None:
    """Make the keys that are missing, on the first run only; harmless when they are there.

    Raises:
        KeysError: the database exists and its keys do not, or somebody else can read a key.
        LaunchError: DATABASE_URL does not answer.
        InstanceError: `PAAS_HOME` belongs to somebody else.
    """
    make_private(instance.home)
    make_private(instance.keys)
    for name, generate in _GENERATORS.items():
        if not (instance.keys / name).exists():
            _refuse_to_orphan(instance, name)
            _create(instance.keys / name, generate())
        read_key(instance, name)


def read_key(instance: Instance, name: str) -> str:
    """The text of one key.

    Raises:
        KeysError: it is missing, empty, or others than its owner can read it.
    """
    path = instance.keys / name
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text().strip()
    except OSError as error:
        raise KeysError(
            f"The key {path} cannot be read ({error.strerror}). "
            f"`make up` makes it on the first run; later it comes from a backup (`paas restore`)."
        ) from error
    if mode & 0o077:
        raise KeysError(
            f"The key {path} can be read by other users (mode {mode:03o}), so it is no secret. "
            f"Run `chmod 600 {path}`; if others have had access, replace the key as well."
        )
    if not text:
        raise KeysError(f"The key {path} is empty. Restore it from a backup (`paas restore`).")
    return text


def ssh_fingerprint(instance: Instance) -> str:
    """By which people know this instance's SSH server: `SHA256:…`.

    Raises:
        KeysError: the host key is badly kept, or is none.
    """
    text = read_key(instance, SSH_HOST_KEY)
    try:
        return ssh_keys.fingerprint(ssh_keys.public_blob(text))
    except ValueError as error:
        raise KeysError(
            f"{instance.keys / SSH_HOST_KEY} is no SSH key. Restore it from a backup "
            "(`paas restore`), or remove it: `make up` makes a new one, which every client "
            "will be warned about."
        ) from error


def _fernet_key() -> str:
    from cryptography.fernet import Fernet  # only the first run needs it

    return Fernet.generate_key().decode()


def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization  # as above
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


_GENERATORS: Mapping[str, Callable[[], str]] = {
    SECRET_KEY: lambda: secrets.token_urlsafe(50),
    CONFIG_KEYS: _fernet_key,
    INTERNAL_TOKEN: lambda: secrets.token_urlsafe(32),
    SSH_HOST_KEY: ssh_keys.new_private_key,
    CA_KEY: _private_key,
    NIX_KEY: signing.new_private_key,
}


def _refuse_to_orphan(instance: Instance, name: str) -> None:
    """A new key for an old database would make its config vars unreadable for ever."""
    if name in BELONG_TO_DATABASE and _database_exists(instance):
        raise KeysError(
            f"There is a database of this instance, but its key {instance.keys / name} is not "
            "there, and without it config vars and tokens cannot be read. Restore the folder "
            f"{instance.keys} from a backup (`paas restore`), or start afresh with another "
            "PAAS_HOME."
        )


def _database_exists(instance: Instance) -> bool:
    url = os.environ.get("DATABASE_URL", "")
    return postgres.is_in_use(url) if postgres.is_url(url) else instance.database.exists()


def _create(path: Path, text: str) -> None:
    """Write a key whole or not at all; whoever comes first wins, the other's is dropped."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text.strip() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
