"""Whether one app among many is deployed as fast as one alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.ground import APPS, instance, make_app, push, seconds, until_live
from tests.bench.table import Invalid, Row, Samples, Verdict, judged
from tests.e2e.world import World

_APPS = 100
_AT_ONCE = 4
_TIMES = 11
_GROWTH = 1.2
"""Times; less cannot be told from noise."""


def measure() -> Iterator[Row]:
    """Rows about a deploy, the list of apps and one app's processes."""
    with instance() as world:
        one = make_app(world, APPS / "tiny", "one")
        push(world, one)()
        world.wait_for("one first", app="one", seconds=5)
        alone = _Figures(world, one, "alone")
        _fill(world)
        among = _Figures(world, one, "among")
    growth = among.deploy.median / alone.deploy.median
    yield Row(
        f"one-line change, 1 of {_APPS} apps",
        f"{among.deploy.text()}, ×{growth:.2f}",
        f"≤ ×{_GROWTH}",
        f"1 of 1 app: {alone.deploy.text()}",
        judged(growth <= _GROWTH),
    )
    yield _info(f"GET /apps, {_APPS} apps", among.listing, alone.listing)
    yield _info(f"paas ps, {_APPS} apps", among.processes, alone.processes)


def _info(figure: str, ours: Samples, alone: Samples) -> Row:
    return Row(figure, ours.text(), "", f"1 app: {alone.text()}", Verdict.INFO)


class _Figures:
    """Seconds of the acts that could grow with the number of apps."""

    def __init__(self, world: World, folder: Path, label: str) -> None:
        self._world, self._folder = world, folder
        self.deploy = Samples.take(_TIMES, lambda i: self._change(f"{label} {i}."))
        self.listing = Samples.take(_TIMES, lambda _: seconds(lambda: world.api("GET", "/apps")))
        self.processes = Samples.take(_TIMES, lambda _: seconds(self._ps))

    def _change(self, text: str) -> float:
        self._world.set_version(self._folder, text)
        return until_live(self._world, self._folder.name, text, push(self._world, self._folder))

    def _ps(self) -> None:
        if "web.1" not in self._world.paas("ps", cwd=self._folder).stdout:
            raise Invalid("paas ps did not show web.1")


def _fill(world: World) -> None:
    """Deploy apps until there are `_APPS`, each answering."""
    names = [f"app{number}" for number in range(1, _APPS)]
    folders = [make_app(world, APPS / "tiny", name) for name in names]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda folder: push(world, folder)(), folders))
    for name in names:
        if f"{name} first" not in world.get(app=name).body:
            raise Invalid(f"{name} does not answer")
    status, apps = world.api("GET", "/apps")
    if status != 200 or not isinstance(apps, list) or len(apps) != _APPS:
        raise Invalid(f"GET /apps does not list {_APPS} apps")
