"""Lists and pages at 1,000 apps and 20,000 releases, ten readers at once."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlencode

from tests.bench.ground import instance, seconds
from tests.bench.table import Invalid, Row, judged
from tests.e2e.world import CHECKOUT, World

_APPS = 1000
_RELEASES = 20  # of each app
_SECONDS = 4.0
_LIMIT = 50.0  # milliseconds
_PATHS = ("/apps", "/apps/app-0500", "/apps/app-0500/releases")
_PAGES = ("/dashboard/",)
_COMMANDS = 9  # `paas apps`, one after the other
_COMMAND_LIMIT = 350.0  # milliseconds
_FLOOR = "/dashboard/sign-in"  # what a page costs that asks the database nothing


def measure() -> Iterator[Row]:
    """A row for each path, and one for the command."""
    with instance(PAAS_API_CALLS_PER_HOUR="1000000") as world:
        seed = [sys.executable, "-m", "tests.bench.seed", str(_APPS), str(_RELEASES)]
        subprocess.run(seed, cwd=CHECKOUT, env=world.environment, check=True, timeout=300)
        api, browser = _api(world), _browser(world)
        floor = _percentile(_read(world, _FLOOR, {"Host": api["Host"]}))
        for path, headers in [(p, api) for p in _PATHS] + [(p, browser) for p in _PAGES]:
            taken = _read(world, path, headers)
            ours = _percentile(taken)
            yield Row(
                f"GET {path}, {_APPS} apps, 10 clients",
                f"p95 {ours:.0f} ms, {len(taken) / _SECONDS:.0f} req/s",
                f"≤ {_LIMIT:.0f} ms",
                f"{_FLOOR}: p95 {floor:.0f} ms",
                judged(ours <= _LIMIT),
            )
        yield _command(world)


def _command(world: World) -> Row:
    """The command that lists them all, as its user waits for it."""
    taken = statistics.median(_milliseconds(world, "apps") for _ in range(_COMMANDS))
    floor = statistics.median(_milliseconds(world, "--version") for _ in range(_COMMANDS))
    return Row(
        f"paas apps, {_APPS} apps",
        f"median {taken:.0f} ms",
        f"≤ {_COMMAND_LIMIT:.0f} ms",
        f"paas --version: {floor:.0f} ms",
        judged(taken <= _COMMAND_LIMIT),
    )


def _milliseconds(world: World, *arguments: str) -> float:
    return seconds(lambda: world.paas(*arguments)) * 1000


def _api(world: World) -> dict[str, str]:
    token = json.loads((world.home / "credentials.json").read_text())["token"]
    return {
        "Host": f"localhost:{world.port}",
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.heroku+json; version=3",
    }


def _browser(world: World) -> dict[str, str]:
    """The headers of the admin's browser, signed in."""
    host = f"localhost:{world.port}"
    password = (world.home / "admin-password").read_text().strip()
    form = {"email": "admin@localhost", "password": password}
    headers = {
        "Host": host,
        "Origin": f"http://{host}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = world.get(_FLOOR, method="POST", headers=headers, body=urlencode(form))
    if answer.status != 302:
        raise Invalid(f"the admin could not sign in: {answer.status}")
    return {"Host": host, "Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


def _percentile(taken: list[float]) -> float:
    """Milliseconds that 95 of 100 answers kept."""
    return statistics.quantiles(taken, n=20)[-1] * 1000


def _read(world: World, path: str, headers: dict[str, str]) -> list[float]:
    argv = [sys.executable, "-m", "tests.bench.readers", str(world.port), path, str(_SECONDS)]
    done = subprocess.run(
        argv, cwd=CHECKOUT, input=json.dumps(headers), capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise Invalid(done.stderr.strip())
    taken: list[float] = json.loads(done.stdout)
    return taken
