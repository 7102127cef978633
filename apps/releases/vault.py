"""Config vars at rest: encrypted with keys that are not in the database.

The newest key encrypts, all decrypt, so keys can be rotated. The whole set
is sealed at once, not value by value: it is small and read together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from apps.accounts.errors import Unavailable


def seal(variables: Mapping[str, str]) -> str:
    """Encrypt config vars."""
    return _fernet().encrypt(json.dumps(dict(variables)).encode()).decode()


def unseal(sealed: str) -> dict[str, str]:
    """Decrypt config vars.

    Raises:
        Unavailable: none of the keys fits: the database came without its keys.
    """
    with _told():
        opened: dict[str, str] = json.loads(_fernet().decrypt(sealed.encode()))
    return opened


def reseal(sealed: str) -> str:
    """The same config vars, encrypted with the newest key.

    Raises:
        Unavailable: as for `unseal`.
    """
    with _told():
        return _fernet().rotate(sealed.encode()).decode()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except InvalidToken:
        raise Unavailable(
            "The config vars cannot be decrypted: keys/config_keys is not the file this "
            "database was made with. Put the right one back (it is in every backup)."
        ) from None


@lru_cache(maxsize=1)
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CONFIG_KEYS])
