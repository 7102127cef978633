"""What every measurement stands on: an instance of its own, apps in it, timed acts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.table import Invalid
from tests.e2e.world import World, running

APPS = Path(__file__).parent / "apps"


@contextmanager
def instance(**settings: str) -> Iterator[World]:
    """A fresh instance, gone afterwards with all it made."""
    with (
        tempfile.TemporaryDirectory(prefix="paas-bench-") as folder,
        running(Path(folder), **settings) as world,
    ):
        yield world


def make_app(world: World, sample: str | Path, name: str, procfile: str | None = None) -> Path:
    """A repository from `sample` and an app for it, not pushed yet; its body says `name first`."""
    folder = world.repository(str(sample), name)
    if procfile is not None:
        (folder / "Procfile").write_text(procfile)
    world.set_version(folder, f"{name} first")
    world.paas("create", name, cwd=folder)
    return folder


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def until_live(world: World, app: str, text: str, act: Callable[[], object]) -> float:
    """Seconds that `act` takes, which must end with `text` being what the app answers.

    Raises:
        Invalid: the app answered with it before, or does not at the moment `act` is over.
    """
    before = world.get(app=app)
    if text in before.body:
        raise Invalid(f"{app} says {text!r} already: there is nothing to measure")
    taken = seconds(act)
    after = world.get(app=app)
    if after.status != 200 or text not in after.body:
        raise Invalid(f"{app} did not say {text!r} when the command was over, but {after}")
    return taken


def push(world: World, folder: Path) -> Callable[[], object]:
    """What a user types, as a function without arguments."""
    return lambda: world.git("push", "-q", "paas", "main", cwd=folder)


def set_config(world: World, folder: Path, greeting: str) -> Callable[[], object]:
    """Likewise `paas config:set`, of the variable that the samples print."""
    return lambda: world.paas("config:set", f"GREETING={greeting}", cwd=folder)
