"""A binary cache in an S3 bucket, laid out as Nix does it, so that any Nix with S3, or a web
server in front of the bucket, can read it.

Written by us and not by `nix copy`: Debian's Nix is built without S3. What the
bucket lacks is made in a folder first, by Nix, signed and compressed as for
every other cache, and uploaded then: archives before the files that name them,
and these from the bottom of the closure upwards. So whatever the bucket lists
is there with all it needs, whenever a push is killed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from paas.nix.cache_folder import INFO, CacheFolder, Usage, key_of
from paas.nix.copying import copy_to_folder
from paas.nix.errors import CacheRefused, CacheUnreachable
from paas.nix.store import Store

SCHEME = "s3://"
_PARAMETERS = ("region", "endpoint", "scheme", "profile")
_REGION = "us-east-1"  # as Nix
_AT_ONCE = 16
_TIMEOUT = 30.0
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "AccessDenied"})
"""Who may not list a bucket is told "denied" of what is not there; a write then says the truth."""


@dataclass(frozen=True)
class Address:
    """What `s3://<bucket>?region=…&endpoint=…&scheme=…&profile=…` says, as Nix reads it."""

    bucket: str
    region: str = _REGION
    endpoint: str = ""
    scheme: str = "https"
    profile: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        """
        Raises:
            CacheRefused: it is no address of a bucket, or says what we do not know.
        """
        parts = urlsplit(url)
        if not parts.hostname or parts.path.strip("/") or "@" in parts.netloc:
            raise CacheRefused(
                "PAAS_NIX_CACHE names no bucket. Write s3://BUCKET?region=REGION (with "
                "&endpoint=HOST:PORT for one that is not Amazon's), without a folder in it and "
                "without credentials: these belong in $PAAS_HOME/nix/.aws/credentials."
            )
        said = dict(parse_qsl(parts.query))
        if unknown := sorted(said.keys() - set(_PARAMETERS)):
            raise CacheRefused(
                f"PAAS_NIX_CACHE says {unknown[0]}=, which means nothing for a bucket here. It "
                f"may say {', '.join(_PARAMETERS)}."
            )
        return cls(parts.netloc, **said)

    @property
    def endpoint_url(self) -> str | None:
        """None is Amazon's, by region."""
        if not self.endpoint or "://" in self.endpoint:
            return self.endpoint or None
        return f"{self.scheme}://{self.endpoint}"


class Bucket:
    """The bucket of a URL.

    Args:
        key: the file of the key that signs.
        scratch: a folder for what is on its way.
        credentials: a file of AWS' form, used if it exists; else AWS' own ways are.
    """

    def __init__(self, url: str, key: Path, scratch: Path, credentials: Path) -> None:
        self._address, self._key = Address.of(url), key
        self._scratch, self._credentials = scratch, credentials
        self._made: Any = None

    def push(self, store: Store, paths: Sequence[str]) -> Usage:
        """Upload of the closure of `paths` what the bucket has not.

        Returns:
            what was uploaded.

        Raises:
            CacheUnreachable: the bucket is not there, or not for us.
        """
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._scratch) as made, self._told():
            draft = CacheFolder(Path(made))
            draft.make()
            closure = store.requisites(paths)
            self._fetch_infos(draft, closure)
            missing = draft.lacks(closure)
            if not missing:
                return Usage(0, 0)
            copy_to_folder(store, draft, paths, self._key)
            self._upload(draft, missing)
            return draft.usage(missing)

    def _fetch_infos(self, draft: CacheFolder, closure: Iterable[str]) -> None:
        """What the bucket has of the closure: Nix leaves out what is described in `draft`."""

        def fetch(path: str) -> None:
            name = f"{key_of(path)}.narinfo"
            found = self._get(name)
            if found is not None:
                (draft.root / name).write_bytes(found)

        _for_each(fetch, closure)

    def _upload(self, draft: CacheFolder, missing: Sequence[str]) -> None:
        entries = [draft.entry(key_of(path)) for path in missing]
        archives = {entry.archive for entry in entries if entry is not None}
        _for_each(lambda name: self._put(draft, name, "application/x-nix-nar"), archives)
        if self._get(INFO) is None:
            self._put(draft, INFO, "text/x-nix-cache-info")
        for path in missing:
            self._put(draft, f"{key_of(path)}.narinfo", "text/x-nix-narinfo")

    # --- the client ---------------------------------------------------------
    def _get(self, name: str) -> bytes | None:
        from botocore.exceptions import ClientError

        try:
            body = self._client.get_object(Bucket=self._address.bucket, Key=name)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return bytes(body.read())

    def _put(self, draft: CacheFolder, name: str, kind: str) -> None:
        extra = {"ContentType": kind}
        path = str(draft.root / name)
        self._client.upload_file(path, self._address.bucket, name, ExtraArgs=extra)

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._new_client()
        return self._made

    def _new_client(self) -> Any:
        # Only who uses a bucket pays for it: half a second and 50 MB.
        import boto3
        import botocore.session
        from botocore.config import Config

        session = botocore.session.Session(profile=self._address.profile or None)
        if self._credentials.is_file():
            session.set_config_variable("credentials_file", str(self._credentials))
        config = Config(
            connect_timeout=_TIMEOUT,
            read_timeout=_TIMEOUT,
            max_pool_connections=_AT_ONCE,
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path" if self._address.endpoint else "auto"},
        )
        return boto3.Session(botocore_session=session).client(
            "s3",
            region_name=self._address.region,
            endpoint_url=self._address.endpoint_url,
            config=config,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise CacheUnreachable(
                f"The bucket {self._address.bucket} cannot be used as the cache: {error}. See "
                "that it exists, and that $PAAS_HOME/nix/.aws/credentials (or AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY) may read and write it."
            ) from error


def _for_each(work: Callable[[str], None], names: Iterable[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(work, names))
