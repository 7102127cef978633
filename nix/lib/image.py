"""Write an OCI archive in nix-snapshotter's format: mount points and symbolic links only.

usage: image.py OUT CONFIG STORE_PATHS ROOT [CLOSURE_INFO]

CONFIG is a JSON file of {"image": <OCI image configuration's "config">,
"annotations": "both" | "closure"}; STORE_PATHS a file with the closure, a path
a line; ROOT a folder whose entries stand at `/` of the image as symbolic
links; CLOSURE_INFO the store path whose `store-paths` nix-snapshotter 0.3 and
newer reads. Standard library only; the same input gives the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import sys
import tarfile
from pathlib import Path
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CLOSURE = "containerd.io/snapshot/nix-closure"
_LAYER = "containerd.io/snapshot/nix-layer"
_PATH = "containerd.io/snapshot/nix-store-path."
_OCI = "application/vnd.oci.image"
_MOUNTED = ("etc/hostname", "etc/hosts", "etc/resolv.conf")
_APP = 1000  # the user that the app runs as


def main() -> None:
    out, config, listed, root, info = sys.argv[1:]
    wanted = json.loads(Path(config).read_text())
    paths = sorted(set(Path(listed).read_text().split()))
    write(
        Path(out),
        wanted["image"],
        annotations(paths, info, wanted["annotations"]),
        layer(paths, Path(root)),
    )


def annotations(paths: list[str], info: str, wanted: str) -> dict[str, str]:
    """How the snapshotter learns what to mount: 0.3 and newer by one path, 0.2 by a list."""
    found = {_CLOSURE: info}
    if wanted == "both":
        found[_LAYER] = "true"
        found |= {f"{_PATH}{number}": path for number, path in enumerate(paths)}
    return found


def layer(paths: list[str], root: Path) -> bytes:
    """The one layer: a mount point for each path, and what stands at `/`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in ("nix", "nix/store", "run", "var"):
            tar.addfile(entry(folder, tarfile.DIRTYPE, 0o755))
        for path in paths:
            kind = tarfile.DIRTYPE if Path(path).is_dir() else tarfile.REGTYPE
            tar.addfile(entry(path.lstrip("/"), kind, 0o755 if kind == tarfile.DIRTYPE else 0o555))
        tar.addfile(entry("tmp", tarfile.DIRTYPE, 0o1777))
        app = entry("app", tarfile.DIRTYPE, 0o755)
        app.uid = app.gid = _APP
        tar.addfile(app)
        for child in sorted(root.iterdir()):
            place(tar, child, child.name)
    return buffer.getvalue()


def place(tar: tarfile.TarFile, path: Path, name: str) -> None:
    """What stands at `name`: a link as it is; a folder, and /etc in any case, as one of links.

    Container runtimes put files of their own into /etc, so it must be the image's.
    """
    if name in _MOUNTED:
        tar.addfile(entry(name, tarfile.REGTYPE, 0o644))
    elif path.is_symlink() and name != "etc":
        tar.addfile(entry(name, tarfile.SYMTYPE, 0o777, str(path.readlink())))
    elif path.is_dir():
        tar.addfile(entry(name, tarfile.DIRTYPE, 0o755))
        inside = {child.name: child for child in path.iterdir()}
        if name == "etc":
            inside |= {file.removeprefix("etc/"): path for file in _MOUNTED}
        for child in sorted(inside):
            place(tar, inside[child], f"{name}/{child}")
    else:
        tar.addfile(entry(name, tarfile.SYMTYPE, 0o777, str(path.resolve())))


def entry(name: str, kind: bytes, mode: int, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.mode, found.mtime, found.linkname = kind, mode, 0, target
    return found


def write(out: Path, image: dict[str, Any], notes: dict[str, str], content: bytes) -> None:
    """The archive, for OCI's readers and for Docker's."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as file:
        file.write(content)
    blobs: dict[str, bytes] = {}

    def blob(kind: str, data: bytes, **more: Any) -> dict[str, Any]:
        blobs[digest(data)] = data
        return {"mediaType": f"{_OCI}.{kind}", "digest": digest(data), "size": len(data), **more}

    tar_layer = blob("layer.v1.tar+gzip", packed.getvalue(), annotations=notes)
    config = blob(
        "config.v1+json",
        encode(
            {
                "architecture": _ARCHITECTURES[platform.machine()],
                "os": "linux",
                "config": image,
                "rootfs": {"type": "layers", "diff_ids": [digest(content)]},
            }
        ),
    )
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": config,
            "layers": [tar_layer],
        }
    )
    name = f"nix:0{out}:latest"
    named = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "latest"}
    listed = blob("manifest.v1+json", manifest, annotations=named)
    files = {
        "oci-layout": encode({"imageLayoutVersion": "1.0.0"}),
        "index.json": encode(
            {
                "schemaVersion": 2,
                "mediaType": f"{_OCI}.index.v1+json",
                "manifests": [listed],
            }
        ),
        "manifest.json": encode(
            [
                {
                    "Config": place_of(config["digest"]),
                    "RepoTags": [name],
                    "Layers": [place_of(tar_layer["digest"])],
                }
            ]
        ),
        **{place_of(name): data for name, data in sorted(blobs.items())},
    }
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder in ("blobs", "blobs/sha256"):
            tar.addfile(entry(folder, tarfile.DIRTYPE, 0o755))
        for path, data in files.items():
            found = entry(path, tarfile.REGTYPE, 0o444)
            found.size = len(data)
            tar.addfile(found, io.BytesIO(data))


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def encode(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def place_of(name: str) -> str:
    return f"blobs/{name.replace(':', '/')}"


if __name__ == "__main__":
    main()
