"""Requests a second through the front door, beside a plain Caddy before the same process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paas.instance import current
from paas.launcher.tools import caddy
from tests.bench.ground import APPS, instance, make_app, push
from tests.bench.table import Invalid, Row, Samples, judged
from tests.e2e.world import CHECKOUT, World, free_port

_SHARE = 0.85
_ROUNDS = 7
_SECONDS = 3.0
_HEADROOM = 1.5
_TEXT = "fast first\n"
_HOST = "fast.localhost"


def measure() -> Iterator[Row]:
    """One row for kept connections, one for a connection a request."""
    with instance() as world:
        push(world, make_app(world, APPS / "fast", "fast"))()
        port = _app_port(world)
        with _plain_caddy(world.folder, port) as plain:
            for mode in ("keep-alive", "close"):
                yield _row(mode, _Ports(front=world.port, plain=plain, app=port))


@dataclass(frozen=True)
class _Ports:
    front: int
    plain: int
    app: int


def _row(mode: str, ports: _Ports) -> Row:
    """Rounds in turn, so that a slow moment of the machine meets both."""
    bare = Samples.take(2, lambda _: _rate(ports.app, "keep-alive"))
    front, plain = [], []
    for _ in range(_ROUNDS):
        plain.append(_rate(ports.plain, mode))
        front.append(_rate(ports.front, mode))
    ours, floor = Samples.of(front), Samples.of(plain)
    if bare.median < _HEADROOM * floor.median:
        raise Invalid(
            f"the app or the generator is too slow: {bare.text('req/s', 0)} without Caddy"
        )
    share = ours.median / floor.median
    return Row(
        f"throughput, {mode}",
        f"{ours.text('req/s', 0)} = {share:.0%}",
        f"≥ {_SHARE:.0%}",
        f"plain Caddy {floor.text('req/s', 0)}",
        judged(share >= _SHARE),
    )


def _rate(port: int, mode: str) -> float:
    """Answers a second."""
    argv = [sys.executable, "-m", "tests.bench.hammer", str(port), _HOST, mode, str(_SECONDS)]
    done = subprocess.run([*argv, _TEXT], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Invalid(done.stderr.strip())
    return int(done.stdout) / _SECONDS


def _app_port(world: World) -> int:
    """Where the app's one process listens, as the front door's route says."""
    (route,) = (current(world.environment).routes / "hosts" / _HOST).iterdir()
    (port,) = set(route.name.split(","))
    return int(port)


@contextlib.contextmanager
def _plain_caddy(folder: Path, app: int) -> Iterator[int]:
    """A Caddy that does nothing but pass on to port `app`; yields its own port."""
    port = free_port()
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "routes": [
            {"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{app}"}]}]}
        ],
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
