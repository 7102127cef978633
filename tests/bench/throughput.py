"""Requests a second through the front door, beside a plain Caddy before the same process.

Judged is what a user runs: the Flask sample. Beside it stands an app that
costs nothing, where all that is left is the door's own work for a request
(the route by file name, the router's log line), which plain Caddy does not do.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paas.instance import current
from paas.launcher.tools import caddy
from paas.runtimes.local.frontdoor import UPSTREAM_IDLE
from tests.bench.ground import APPS, instance, make_app, push
from tests.bench.table import Invalid, Row, Samples, Verdict, judged
from tests.e2e.world import CHECKOUT, SAMPLES, World, free_port

_SHARE = 0.85
_ROUNDS = 9
_SECONDS = 2.0
_HEADROOM = 1.5


@dataclass(frozen=True)
class _App:
    """What is behind the door; `free` if it answers faster than any door passes on."""

    name: str
    sample: Path
    text: str
    free: bool
    procfile: str | None = None

    @property
    def host(self) -> str:
        return f"{self.name}.localhost"


_FLASK = _App(
    "sample",
    SAMPLES / "flask",
    "sample first no greeting\n",
    free=False,
    procfile="web: gunicorn --workers 2 --bind 0.0.0.0:$PORT app:app\n",
)
_FREE = _App("fast", APPS / "fast", "fast first\n", free=True)


def measure() -> Iterator[Row]:
    """For each app one row for kept connections, one for a connection a request."""
    with instance() as world:
        for app in (_FLASK, _FREE):
            push(world, make_app(world, app.sample, app.name, app.procfile))()
            port = _app_port(world, app)
            with _plain_caddy(world.folder, port) as plain:
                for mode in ("keep-alive", "close"):
                    yield _row(app, mode, _Ports(front=world.port, plain=plain, app=port))


@dataclass(frozen=True)
class _Ports:
    front: int
    plain: int
    app: int


def _row(app: _App, mode: str, ports: _Ports) -> Row:
    """Rounds in turn, judged pair by pair, so that a slow moment of the machine meets both."""
    front, plain = [], []
    for _ in range(_ROUNDS):
        plain.append(_rate(app, ports.plain, mode))
        front.append(_rate(app, ports.front, mode))
    ours, floor = Samples.of(front), Samples.of(plain)
    share = statistics.median(mine / theirs for mine, theirs in zip(front, plain, strict=True))
    if app.free:
        _check_that_it_is_free(app, ports.app, floor)
    return Row(
        f"throughput, {'an app that costs nothing' if app.free else 'Flask sample'}, {mode}",
        f"{ours.text('req/s', 0)} = {share:.0%}",
        "" if app.free else f"≥ {_SHARE:.0%}",
        f"plain Caddy {floor.text('req/s', 0)}",
        Verdict.INFO if app.free else judged(share >= _SHARE),
    )


def _check_that_it_is_free(app: _App, port: int, floor: Samples) -> None:
    bare = Samples.take(2, lambda _: _rate(app, port, "keep-alive"))
    if bare.median < _HEADROOM * floor.median:
        raise Invalid(
            f"the app or the generator is too slow: {bare.text('req/s', 0)} without Caddy"
        )


def _rate(app: _App, port: int, mode: str) -> float:
    """Answers a second."""
    argv = [sys.executable, "-m", "tests.bench.hammer", str(port), app.host, mode, str(_SECONDS)]
    done = subprocess.run(
        [*argv, app.text], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise Invalid(done.stderr.strip())
    return int(done.stdout) / _SECONDS


def _app_port(world: World, app: _App) -> int:
    """Where the app's one process listens, as the front door's route says."""
    (route,) = (current(world.environment).routes / "hosts" / app.host).iterdir()
    (port,) = set(route.name.split(","))
    return int(port)


@contextlib.contextmanager
def _plain_caddy(folder: Path, app: int) -> Iterator[int]:
    """A Caddy that does nothing but pass on to port `app`; yields its own port.

    It gives spare connections up as soon as our front door does: by default it
    holds one for two minutes, and with it a gunicorn worker, which serves one
    connection at a time; the other door's next round would then starve.
    """
    port = free_port()
    proxy = {
        "handler": "reverse_proxy",
        "transport": {"protocol": "http", "keep_alive": {"idle_timeout": UPSTREAM_IDLE}},
        "upstreams": [{"dial": f"127.0.0.1:{app}"}],
    }
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "routes": [{"handle": [proxy]}],
    }
    config = {"admin": {"disabled": True}, "apps": {"http": {"servers": {"plain": server}}}}
    (folder / "plain.json").write_text(json.dumps(config))
    with (folder / "plain.log").open("wb") as log:
        process = subprocess.Popen(
            [str(caddy()), "run", "--config", str(folder / "plain.json")], stdout=log, stderr=log
        )
    try:
        time.sleep(1)
        yield port
    finally:
        process.terminate()
        process.wait(10)
