"""The world most tests live in: an admin, Alice, Bob, and an app of Alice's."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.authorizations import issue
from apps.accounts.models import User
from apps.accounts.policy import Actor
from apps.catalog.manage import create_app
from apps.catalog.models import App

# A shell starts what it runs in the background with SIGINT ignored, and children inherit that;
# tests send it as Ctrl-C would.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--builder",
        choices=("host", "nix"),
        help="what instances of tests/e2e build with; without it: the host's toolchains, and Nix "
        "as well in tests marked by_nix",
    )


@pytest.fixture
def memory_cache(settings: Any) -> None:
    """Counters of wrong tries in memory, fresh for this test."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "limits",
        }
    }
    cache.clear()


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The address of a Redis of this test's own."""
    folder = Path(tempfile.mkdtemp(prefix="paas-"))
    program = shutil.which("redis-server") or str(Path(sys.executable).parent / "redis-server")
    socket = folder / "redis.sock"
    settings_ = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    process = subprocess.Popen([program, *settings_], stdout=subprocess.DEVNULL)
    while not socket.exists():
        assert process.poll() is None
    yield f"unix://{socket}"
    process.kill()
    process.wait()
    shutil.rmtree(folder)


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_user("root@example.org", "correct horse battery", is_admin=True)


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice@example.org", "correct horse battery")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob@example.org", "correct horse battery")


@pytest.fixture
def hello(alice: User) -> App:
    """Alice's app."""
    return create_app(Actor(alice), "hello")


@dataclass
class Api:
    """A caller of the REST API with one user's token."""

    token: str

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The status and the decoded answer."""
        response = Client().generic(
            method,
            path,
            b"" if body is None else json.dumps(body).encode(),
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}", "Host": "localhost"},
        )
        return response.status_code, response.json()


@pytest.fixture
def api() -> Callable[..., Api]:
    """`api(user, scopes=[...])` makes a caller."""

    def make(user: User, **how: Any) -> Api:
        return Api(issue(user, **how).token)

    return make
