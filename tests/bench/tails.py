"""Two hundred who follow logs at once, a thousand lines a second in all."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.ground import APPS, instance, make_app, push
from tests.bench.table import Invalid, Row, judged
from tests.e2e.world import CHECKOUT, World

_APPS = 10
_TAILS = 20  # of each app
_RATE = 5  # lines a second of each app
_SECONDS = 20.0
_LIMIT = 0.1


def measure() -> Iterator[Row]:
    """One row; every line must arrive at every reader, in order and once."""
    with instance() as world:
        for number in range(_APPS):
            folder = make_app(world, APPS / "talker", f"talker{number}")
            push(world, folder)()
            world.paas("ps:scale", "worker=1", cwd=folder)
        heard = _listen(world, [_session(world, n % _APPS) for n in range(_APPS * _TAILS)])
    lags = [lag for one, _ in heard for lag in one]
    lost = sum(missing for _, missing in heard)
    too_few = [len(one) for one, _ in heard if len(one) < 0.8 * _RATE * _SECONDS]
    if too_few:
        raise Invalid(f"{len(too_few)} readers heard little, one {min(too_few)} lines")
    median, worst = statistics.median(lags), max(lags)
    yield Row(
        f"{_APPS * _TAILS} log tails, {len(lags) / _SECONDS:.0f} lines/s in all",
        f"{lost} lost, lag {median * 1000:.0f} ms, worst {worst * 1000:.0f}",
        f"0 lost, ≤ {_LIMIT * 1000:.0f} ms",
        "",
        judged(lost == 0 and median <= _LIMIT),
    )


def _session(world: World, number: int) -> str:
    path = f"/apps/talker{number}/log-sessions"
    _, answer = world.api("POST", path, {"lines": 0, "tail": True})
    if not isinstance(answer, dict) or "logplex_url" not in answer:
        raise Invalid(f"no log session: {answer}")
    return str(answer["logplex_url"])


def _listen(world: World, addresses: list[str]) -> list[tuple[list[float], int]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.listeners", str(_SECONDS)],
        cwd=CHECKOUT,
        input="\n".join(addresses),
        capture_output=True,
        text=True,
        timeout=_SECONDS + 60,
    )
    if done.returncode != 0:
        raise Invalid(done.stderr.strip()[-300:])
    heard: list[tuple[list[float], int]] = json.loads(done.stdout)
    return heard
