"""What a node has to fetch for a one-line change of the Flask sample, built by Nix."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from paas.nix.cache_folder import CacheFolder
from tests.bench.ground import instance, make_app, push
from tests.bench.table import Invalid, Row, judged
from tests.e2e.world import World

_SHARE = 0.01
"""Of the compressed closure."""


def measure() -> Iterator[Row]:
    """One row: bytes from the binary cache, against those of a layered image of the same files."""
    with (
        tempfile.TemporaryDirectory(prefix="paas-bench-nix-") as store,
        instance(PAAS_BUILDER="nix", PAAS_NIX_PACKAGES="debian", PAAS_NIX_STORE=store) as world,
    ):
        yield _row(world)


def _row(world: World) -> Row:
    folder = make_app(world, "flask", "shipped")
    push(world, folder)()
    cache = CacheFolder(world.home / "cache" / "nix")
    first = cache.entries().keys()
    world.set_version(folder, "shipped second")
    push(world, folder)()
    world.wait_for("shipped second", app="shipped", seconds=5)
    every = cache.entries()
    new = [entry for key, entry in every.items() if key not in first]
    whole = sum(one.size for one in every.values()) - sum(one.size for one in new)
    sent = sum(one.size for one in new)
    if not new:
        raise Invalid("the change has brought nothing new to the cache")
    return Row(
        "bytes to a node, one-line change",
        f"{sent / 1e3:.1f} kB ({sent / whole:.3%} of {whole / 1e6:.1f} MB)",
        f"≤ {_SHARE:.0%}",
        f"layered image, app layer: {_layer(world) / 1e3:.1f} kB",
        judged(sent <= whole * _SHARE),
    )


def _layer(world: World) -> int:
    """Bytes of the app's own layer, if a Dockerfile keeps its dependencies in another one."""
    shown = world.paas("builds:info", "-a", "shipped", "--json").stdout
    release = str(json.loads(shown)["artifact"]["path"])
    store = Path(world.extra["PAAS_NIX_STORE"])
    tree = store / str((store / release[1:] / "app").readlink())[1:]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(tree, "app")
    return len(packed.getvalue())
