"""Images in nix-snapshotter's format: what is in the archive, and how a cluster names one.

An archive is a few KB: it holds mount points and says which store paths
belong there. Where the switch `PAAS_IMAGE_TRANSPORT` says `nix0`, nodes get
it as a store path; with `registry`, from the panel's own registry (`nix:0`
images cannot be started by containerd 2.1 to 2.3).
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paas.instance import Instance, InstanceError

_BLOBS = "blobs/sha256/"
_LARGEST = 16 * 1024**2


class Transport(StrEnum):
    """How nodes get an image."""

    NIX0 = "nix0"
    REGISTRY = "registry"


@dataclass(frozen=True)
class Blob:
    """One file of an image, by its media type."""

    kind: str
    content: bytes


@dataclass(frozen=True)
class Image:
    """An image's manifest, by its digest, and all its blobs, the manifest too, by theirs."""

    manifest: str
    blobs: Mapping[str, Blob]


class NoImage(Exception):
    """The file is no image of ours."""


def read_image(path: Path) -> Image:
    """The image in the archive `path`, which never changes.

    Raises:
        NoImage: it is gone, or is no OCI archive with one manifest.
    """
    try:
        return _read_image(path)
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise NoImage(f"{path.name} is no image ({error})") from error


def transport(environ: Mapping[str, str] | None = None) -> Transport:
    """What `PAAS_IMAGE_TRANSPORT` says; `nix0` if nothing.

    Raises:
        InstanceError: it says something else.
    """
    env = os.environ if environ is None else environ
    text = env.get("PAAS_IMAGE_TRANSPORT") or Transport.NIX0
    if text not in list(Transport):
        raise InstanceError(f"PAAS_IMAGE_TRANSPORT={text} is unknown. Use nix0 or registry.")
    return Transport(text)


def reference(how: Transport, instance: Instance, app_id: str, path: str, archive: Path) -> str:
    """The image's name in a pod.

    Args:
        app_id: whose it is: its repository in the registry.
        path: the image's store path.
        archive: where that lies on this machine.

    Raises:
        NoImage: as `read_image`.
    """
    if how is Transport.NIX0:
        return f"nix:0{path}"
    return f"{urlsplit(instance.origin).netloc}/{app_id}@{read_image(archive).manifest}"


@lru_cache(maxsize=64)
def _read_image(path: Path) -> Image:
    if path.stat().st_size > _LARGEST:
        raise ValueError("too large")
    with tarfile.open(path) as tar:
        files = dict(_files(tar))
    manifests = json.loads(files["index.json"])["manifests"]
    if len(manifests) != 1:
        raise ValueError(f"{len(manifests)} manifests")
    digest = manifests[0]["digest"]
    manifest = json.loads(_blob(files, digest))
    described = [manifests[0], manifest["config"], *manifest["layers"]]
    return Image(digest, {one["digest"]: _described(files, one) for one in described})


def _files(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        content = tar.extractfile(member) if member.isreg() else None
        if content is not None:
            yield member.name, content.read()


def _described(files: Mapping[str, bytes], one: Mapping[str, Any]) -> Blob:
    return Blob(str(one["mediaType"]), _blob(files, one["digest"]))


def _blob(files: Mapping[str, bytes], digest: str) -> bytes:
    algorithm, _, name = digest.partition(":")
    if algorithm != "sha256":
        raise ValueError(f"digest {digest}")
    return files[_BLOBS + name]
