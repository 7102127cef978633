"""Whether deploys under load lose or delay a request."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.ground import APPS, instance, make_app, push, set_config, until_live
from tests.bench.load import Outcome
from tests.bench.table import Invalid, Row, Samples, Verdict, judged
from tests.e2e.world import CHECKOUT, World

_SWITCHES = 50
_BETWEEN = 0.5
_CALM = 10.0
_LONGEST = 400.0
_LEAST_RATE = 200.0
_SLOWEST = 1.0
_PUSH_EVERY = 5


def measure() -> Iterator[Row]:
    """Rows about failures, delays and requests that an old release answered too late."""
    with instance() as world:
        folder = make_app(world, APPS / "threaded", "busy")
        push(world, folder)()
        world.paas("ps:scale", "web=2", cwd=folder)
        with _load(world) as calm:
            time.sleep(_CALM)
        with _load(world) as under:
            deploys = _deploy(world, folder)
    yield from _rows(under, calm, deploys)


@dataclass
class _Load:
    """What became of a generator's requests; filled when it has ended."""

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second of the quick kinds."""
        starts = [outcome.started for outcome in self.outcomes if not outcome.work]
        return len(starts) / (max(starts) - min(starts))

    @property
    def failures(self) -> list[str]:
        return [f"{one.kind}: {one.failure}" for one in self.outcomes if one.failure]

    def slowest(self) -> float:
        """Seconds that a request took beyond its own work."""
        return max(one.taken - one.work for one in self.outcomes)


@contextlib.contextmanager
def _load(world: World) -> Iterator[_Load]:
    """Requests from another process while the block runs."""
    argv = [sys.executable, "-m", "tests.bench.load", str(world.port), "busy.localhost"]
    pipe = subprocess.PIPE
    load = _Load()
    with subprocess.Popen([*argv, str(_LONGEST)], cwd=CHECKOUT, stdin=pipe, stdout=pipe) as process:
        try:
            yield load
            if process.poll() is not None:
                raise Invalid("the load ended before the deploys did")
        finally:
            output, _ = process.communicate(timeout=60)
    load.outcomes = [Outcome(**outcome) for outcome in json.loads(output)]


@dataclass(frozen=True)
class _Deploy:
    """One of the deploys: what the app says since, and when the command was over."""

    release: str
    over: float
    taken: float


def _deploy(world: World, folder: Path) -> list[_Deploy]:
    """Config changes, and a push now and then, each with a body of its own."""
    done = []
    code, greeting = "busy first", "none"
    for number in range(_SWITCHES):
        if number % _PUSH_EVERY == 0:
            code = f"code-{number}"
            world.set_version(folder, code)
            act = push(world, folder)
        else:
            greeting = f"greeting-{number}"
            act = set_config(world, folder, greeting)
        release = f"{code}/{greeting}"
        taken = until_live(world, "busy", release, act)
        done.append(_Deploy(release, time.monotonic(), taken))
        time.sleep(_BETWEEN)
    return done


def _rows(under: _Load, calm: _Load, deploys: Sequence[_Deploy]) -> Iterator[Row]:
    _require_all_seen(under, deploys)
    for load in (under, calm):
        if load.rate < _LEAST_RATE:
            raise Invalid(f"the load was only {load.rate:.0f} requests/s")
    late = _late(under, deploys)
    figure = f"{len(deploys)} deploys under {under.rate:.0f} req/s"
    yield Row(
        f"{figure}: failed",
        f"{len(under.failures)} of {len(under.outcomes)}{_most_common(under.failures)}",
        "0",
        f"no deploys: {len(calm.failures)} of {len(calm.outcomes)}",
        judged(not under.failures),
    )
    yield Row(
        "  slowest beyond its own work",
        f"{under.slowest():.2f} s",
        f"≤ {_SLOWEST:g} s",
        f"no deploys: {calm.slowest():.2f} s",
        judged(under.slowest() <= _SLOWEST),
    )
    yield Row("  old release after the end", str(late), "0", "", judged(not late))
    taken = Samples.of([deploy.taken for deploy in deploys])
    yield Row("  one deploy under this load", taken.text(), "", "", Verdict.INFO)


def _require_all_seen(load: _Load, deploys: Sequence[_Deploy]) -> None:
    seen = {outcome.release for outcome in load.outcomes}
    if missing := [deploy.release for deploy in deploys if deploy.release not in seen]:
        raise Invalid(f"no request was answered by {', '.join(missing)}")


def _late(load: _Load, deploys: Sequence[_Deploy]) -> int:
    """Requests begun after a deploy was over that an earlier release answered."""
    order = {deploy.release: number for number, deploy in enumerate(deploys)}
    answered = [one for one in load.outcomes if not one.failure]
    return sum(
        any(deploy.over < one.started for deploy in deploys[order.get(one.release, -1) + 1 :])
        for one in answered
    )


def _most_common(failures: Sequence[str]) -> str:
    return "".join(f"; {count}× {text}" for text, count in Counter(failures).most_common(1))
