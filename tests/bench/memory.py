"""What an idle instance takes of memory, by process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from paas.instance import current
from paas.launcher import memory
from tests.bench.ground import APPS, instance, make_app, push
from tests.bench.table import Invalid, Row, Verdict, judged
from tests.e2e.world import World

_LIMIT = 350
_IDLE = 20.0
_PARTS = {"web", "worker", "gateway", "observer", "redis", "caddy"}


def measure() -> Iterator[Row]:
    """Rows about a fresh instance, and about one that has had an app."""
    with instance() as world:
        time.sleep(_IDLE)
        fresh = _used(world)
        folder = make_app(world, APPS / "tiny", "tiny")
        push(world, folder)()
        world.wait_for("tiny first", app="tiny", seconds=5)
        world.paas("apps:destroy", "--confirm", "tiny", cwd=folder)
        time.sleep(_IDLE)
        after = _used(world)
    yield _sum("idle PSS, fresh", fresh)
    yield _sum("idle PSS, after an app came and went", after)
    for part, size in after.items():
        yield Row(f"  {part}", f"{size:.0f} MB", "", f"fresh {fresh[part]:.0f} MB", Verdict.INFO)


def _used(world: World) -> dict[str, float]:
    """Part → megabytes, the largest first; the launcher's own helpers are parts too."""
    used = {part: size / 1e6 for part, size in memory.measure(current(world.environment))}
    if not used.keys() >= _PARTS:
        raise Invalid(f"parts are missing: only {', '.join(used)} were found")
    return used


def _sum(figure: str, used: dict[str, float]) -> Row:
    total = sum(used.values())
    return Row(figure, f"{total:.0f} MB", f"≤ {_LIMIT} MB", "", judged(total <= _LIMIT))
