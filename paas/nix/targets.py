"""Other stores than our folder as the cache: which there are, and how a closure gets there.

| `PAAS_NIX_CACHE` | who writes | who signs |
|---|---|---|
| `s3://BUCKET?…` | we do (`paas.nix.bucket`) | `paas-ci` |
| `ssh-ng://HOST`, `ssh://HOST`, a store's folder | `nix copy` | `paas-ci`, which it must trust |
| `file://…`, `http(s)://…` (by PUT) | `nix copy` | `paas-ci` |
| `attic:SERVER:CACHE` | Attic's own client | Attic's server |

Each clears itself up: nothing is ever deleted there by us.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from paas.instance import Instance
from paas.nix.bucket import SCHEME as S3
from paas.nix.bucket import Bucket
from paas.nix.cache_folder import Usage
from paas.nix.copying import signed
from paas.nix.errors import CacheRefused, CacheUnreachable, NixFailed, NotSigned, reason
from paas.nix.store import Store

_SIGNING = ("file://", "http://", "https://")
"""Binary caches: Nix signs for them while it copies. In a store, paths are signed before."""
_SSH = ("ssh-ng://", "ssh://")
_STORES = (*_SSH, "/")
_ATTIC = "attic:"
_ATTIC_CACHE = re.compile(r"[A-Za-z0-9_-]{1,50}:[A-Za-z0-9_+-]{1,50}")
_TIMEOUT = 900.0
"""Seconds for a push: as long as a build."""


class Target(Protocol):
    """Another's store that takes what we build."""

    def push(self, store: Store, paths: Sequence[str]) -> Usage | None:
        """Bring the paths and all they need there.

        Returns:
            what was new there; None where only the other knows.

        Raises:
            NixError: it cannot be reached, or takes nothing from us.
        """


def target(instance: Instance, key: Path, environ: Mapping[str, str]) -> Target | None:
    """Where `PAAS_NIX_CACHE` says; None if it says nothing. Nothing is made or asked.

    Args:
        key: the file of the signing key; it need not be there yet.

    Raises:
        CacheRefused: there is no such kind of cache, or it cannot be used here.
    """
    url = environ.get("PAAS_NIX_CACHE", "")
    if not url:
        return None
    if url.startswith(_ATTIC):
        return _Attic(url.removeprefix(_ATTIC))
    _refuse_secrets(url)
    if url.startswith(S3):
        credentials = instance.home / "nix" / ".aws" / "credentials"
        return Bucket(url, key, instance.cache / "nix-outgoing", credentials)
    if url.startswith(_SSH) and ":" in urlsplit(url).netloc:
        raise CacheRefused(
            f"PAAS_NIX_CACHE={url} names a port, which Nix hands to ssh as part of the host's "
            f"name. Leave it out, and set NIX_SSHOPTS=-p {urlsplit(url).netloc.rpartition(':')[2]}"
            " or name it in ~/.ssh/config of the panel's user."
        )
    if url.startswith((*_SIGNING, *_STORES)):
        return _Copied(url, key)
    raise CacheRefused(
        f"PAAS_NIX_CACHE={url} is no cache that can be pushed to. Use s3://…, ssh-ng://…, "
        "ssh://…, https://…, file://…, attic:SERVER:CACHE or the path of a folder."
    )


class _Copied:
    """What Nix itself can copy to."""

    def __init__(self, url: str, key: Path) -> None:
        self._url, self._key = url, key

    def push(self, store: Store, paths: Sequence[str]) -> None:
        url = self._url
        if url.startswith(_SIGNING):
            url = signed(url, self._key)
        else:
            sign = ("nix", "store", "sign", "--recursive", "--key-file", str(self._key))
            store.run(*sign, *paths)
        try:
            store.run("nix", "copy", "--to", url, *paths, timeout=_TIMEOUT)
        except NotSigned:
            raise
        except NixFailed as error:
            if url.startswith(_SSH):
                raise _unreachable(url, error) from error
            raise


class _Attic:
    """`attic push SERVER:CACHE PATHS`: the client has been logged in by the administrator."""

    def __init__(self, cache: str) -> None:
        if not _ATTIC_CACHE.fullmatch(cache):
            raise CacheRefused(
                f"PAAS_NIX_CACHE={_ATTIC}{cache} names no cache of Attic's. Write "
                f"{_ATTIC}SERVER:CACHE, with the server's name from `attic login`."
            )
        if shutil.which("attic") is None:
            raise CacheRefused(
                f"PAAS_NIX_CACHE={_ATTIC}{cache} needs Attic's client, and there is no `attic` in "
                "PATH. Install it (nixpkgs: attic-client), and log in with HOME=$PAAS_HOME/nix; "
                "or use a cache of another kind: s3://… or ssh-ng://…."
            )
        self._cache = cache

    def push(self, store: Store, paths: Sequence[str]) -> None:
        store.run("attic", "push", self._cache, *paths, timeout=_TIMEOUT)


def _unreachable(url: str, error: NixFailed) -> CacheUnreachable:
    """With what ssh says before Nix says that it has ended."""
    said = [line for line in error.output.splitlines() if not line.startswith(("warning:", "err"))]
    why = said[-1].strip() if said else reason(error.output)
    return CacheUnreachable(
        f"{urlsplit(url).hostname} takes no builds by SSH: {why} Try it as the panel's user: "
        f"ssh {urlsplit(url).hostname} nix-store --version. Its key is named by ?ssh-key=FILE, "
        "the host's by ?base64-ssh-public-host-key= or in ~/.ssh/known_hosts."
    )


def _refuse_secrets(url: str) -> None:
    """A URL is shown, logged, and seen in the list of processes."""
    parts = urlsplit(url)
    if parts.password is not None or "secret-key" in parse_qs(parts.query):
        raise CacheRefused(
            "PAAS_NIX_CACHE holds a secret, and addresses are shown and logged. Take it out: "
            "passwords of HTTP belong in $PAAS_HOME/nix/conf/netrc, S3's in "
            "$PAAS_HOME/nix/.aws/credentials, a key of SSH's is named by ?ssh-key=FILE; builds "
            "are signed by paas-ci."
        )
