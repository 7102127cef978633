"""Builds by Nix of the Flask and Express samples, by the package set `debian`."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from apps.builds.builders.base import Built, NixArtifact
from buildpacks import SourceTree, plan
from paas.instance import current
from paas.keys import ensure_keys
from paas.nix.store import Store
from paas.sandbox import remove_tree
from tests.bench.ground import instance, make_app, push, seconds, until_live
from tests.bench.table import Invalid, Row, Samples, at_most, judged
from tests.nix.builder.conftest import SAMPLES, Site, steps
from tests.nix.stores import unusable

_TIMES = 7
_APPS = 20
_VERSION = re.compile(r'(\bVERSION = )".*"')
_LINKS = {"release", "nix-image-app.tar"}
"""What holds names of others alone: a few KB."""
_FOR_ONE_LINE = {"app", *_LINKS}


def measure() -> Iterator[Row]:
    """Rows about the builder alone, then about pushes, all with one store."""
    if unusable():
        raise Invalid(unusable())
    folder = Path(tempfile.mkdtemp(prefix="paas-bench-nix-"))
    home = current({"PAAS_HOME": str(folder / "home"), "PAAS_RUN": str(folder / "run")})
    ensure_keys(home)
    store = Store.of(home, {"PAAS_NIX_STORE": str(folder / "store")})
    site = Site(home, store, folder)
    try:
        for sample in ("flask", "express"):
            yield from _builds(site, sample)
        yield _many(site)
        yield _branch(site)
        yield from _pushes(str(folder / "store"))
    finally:
        remove_tree(folder)


def _builds(site: Site, sample: str) -> Iterator[Row]:
    source = SAMPLES / sample
    first = site.build(source)
    same = Samples.take(_TIMES, lambda _: _timed(site, source, "", set()))
    built: list[Built] = []
    change = Samples.take(
        _TIMES, lambda _: _timed(site, source, uuid.uuid4().hex, _FOR_ONE_LINE, built)
    )
    planned = Samples.take(_TIMES, lambda _: seconds(lambda: plan(SourceTree(source))))
    yield at_most(f"{sample} by Nix: build without a change", same, 0.3, "")
    yield at_most(f"{sample} by Nix: one line, source to image", change, 1.0, "")
    yield at_most(f"{sample}: detection and plan", planned, 0.02, "")
    yield _bytes(site, sample, first, built[-1])


def _timed(
    site: Site, source: Path, version: str, wanted: set[str], made: list[Built] | None = None
) -> float:
    """Seconds of a build that must build just `wanted`."""
    tree = site.tree(source)
    if version:
        _set_version(tree, version)
    done: list[Built] = []
    taken = seconds(lambda: done.append(site.build_tree(tree)))
    if set(steps(done[0])) != wanted:
        raise Invalid(f"built {sorted(steps(done[0]))} and not {sorted(wanted)}")
    if made is not None:
        made += done
    return taken


def _set_version(tree: Path, version: str) -> None:
    for path in tree.rglob("*.*"):
        if path.suffix in {".py", ".js"} and _VERSION.search(path.read_text()):
            path.write_text(_VERSION.sub(rf'\1"{version}"', path.read_text()))


def _bytes(site: Site, sample: str, first: Built, second: Built) -> Row:
    """What a node that runs the first build lacks for the second."""
    assert isinstance(first.artifact, NixArtifact)
    assert isinstance(second.artifact, NixArtifact)
    before = {one.path for one in site.store.info([first.artifact.image], recursive=True)}
    after = site.store.info([second.artifact.image], recursive=True)
    new = sum(one.nar_size for one in after if one.path not in before)
    whole = sum(one.nar_size for one in after)
    layer = _layer(site.store.resolve(f"{second.artifact.path}/app"))
    share = 100 * new / whole
    return Row(
        f"{sample} by Nix: one line, bytes for a node",
        f"{new / 1024:.0f} KiB, {share:.2f} % of {whole / 1024**2:.0f} MiB",
        "≤ 1 %",
        f"an image's app layer, compressed: {layer / 1024:.1f} KiB",
        judged(share <= 1),
    )


def _layer(tree: Path) -> int:
    """Bytes of the layer that `COPY . /app` makes, compressed as registries keep it."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        tar.add(tree, "app")
    return len(gzip.compress(held.getvalue()))


def _many(site: Site) -> Row:
    """Apps that share a lock: how often its dependencies are built."""
    requirements = f"# {uuid.uuid4().hex}\nflask\n"
    names = ("app.py", "Procfile")
    files = {name: (SAMPLES / "flask" / name).read_text() for name in names}
    built = [
        site.build({**files, "requirements.txt": requirements, "name": str(number)}, number=number)
        for number in range(1, _APPS + 1)
    ]
    environments = {tuple(site.dependencies(one)) for one in built}
    times = sum("python-dependencies" in steps(one) for one in built)
    good = len(environments) == 1 and times <= 1
    return Row(
        f"{_APPS} apps with one lock by Nix", f"built {times} times", "≤ 1", "", judged(good)
    )


def _branch(site: Site) -> Row:
    """A second branch with the same lock: what is built besides the links to it."""
    for _ in range(2):
        tree = site.tree(SAMPLES / "flask")
        _set_version(tree, uuid.uuid4().hex)
        last = site.build_tree(tree)
    built = set(steps(last))
    own = sorted(built - _LINKS)
    return Row(
        "a second branch with the same lock by Nix",
        f"builds {len(own)} path ({', '.join(own)}), {len(built & _LINKS)} of links to it",
        "1",
        "",
        judged(own == ["app"]),
    )


def _pushes(store: str) -> Iterator[Row]:
    settings = {"PAAS_BUILDER": "nix", "PAAS_NIX_PACKAGES": "debian", "PAAS_NIX_STORE": store}
    with instance(**settings) as world:
        folder = make_app(world, "flask", "flask", "web: gunicorn --bind 0.0.0.0:$PORT app:app\n")
        push(world, folder)()
        world.wait_for("flask first", app="flask", seconds=5)

        def change(number: int) -> float:
            text = f"change {number}."
            world.set_version(folder, text)
            return until_live(world, "flask", text, push(world, folder))

        yield at_most("flask by Nix: one line, push → live", Samples.take(_TIMES, change), 2.0, "")
