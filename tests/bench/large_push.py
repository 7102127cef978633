"""A push of 50 MB, beside git's own receive-pack over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.bench import git_server
from tests.bench.ground import instance, seconds
from tests.bench.table import Invalid, Row, Samples, judged
from tests.e2e.world import World

_MEGABYTES = 50
_FILES = 200  # above receive.unpackLimit, so that git keeps the pack and compresses nothing again
_SHARE = 0.8
_ROUNDS = 5


def measure() -> Iterator[Row]:
    """One row. The branch is not the deploy branch, so that nothing but the push is measured."""
    with instance() as world:
        source = _data(world)
        world.paas("create", "data", cwd=source)  # lets git find the token
        plain = world.folder / "plain"
        plain.mkdir()
        ours, floor = [], []
        with git_server.serving(plain) as address:
            for number in range(_ROUNDS):
                git_server.make_bare(plain, f"{number}.git")
                floor.append(_push(world, source, f"{address}/{number}.git"))
                ours.append(_push(world, source, _new_app(world, f"large{number}")))
    share = Samples.of(floor).median / Samples.of(ours).median
    yield Row(
        f"{_MEGABYTES} MB push, nothing deployed",
        f"{_text(ours)} = {share:.0%}",
        f"≥ {_SHARE:.0%}",
        f"git http-backend {_text(floor)}",
        judged(share >= _SHARE),
    )


def _new_app(world: World, name: str) -> str:
    """The address to push to."""
    status, answer = world.api("POST", "/apps", {"name": name})
    if status != 201:
        raise Invalid(f"{name} was not made: {answer}")
    return f"http://localhost:{world.port}/{name}.git"


def _text(taken: list[float]) -> str:
    return Samples.of([_MEGABYTES / value for value in taken]).text("MB/s", 0)


def _data(world: World) -> Path:
    """A repository with files that do not shrink, and whose packing costs next to nothing."""
    folder = world.folder / "data"
    folder.mkdir()
    for number in range(_FILES):
        (folder / f"{number}.bin").write_bytes(os.urandom(_MEGABYTES * 1_000_000 // _FILES))
    world.git("init", "-q", "-b", "main", cwd=folder)
    for setting in ("core.compression", "pack.window"):
        world.git("config", setting, "0", cwd=folder)
    world.commit(folder, "Data")
    return folder


def _push(world: World, source: Path, remote: str) -> float:
    """Seconds of a push of everything to a repository that has nothing."""
    taken = seconds(lambda: world.git("push", "-q", remote, "main:refs/heads/data", cwd=source))
    there = world.git("ls-remote", remote, "refs/heads/data", cwd=source).stdout.split()
    if there[:1] != world.git("rev-parse", "main", cwd=source).stdout.split():
        raise Invalid(f"the commit is not at {remote}")
    return taken
