"""Whether a build by Nix comes out the same again: rebuilt, and compared byte by byte."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps.accounts.errors import Conflict, Unavailable
from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.activity import Activities
from apps.builds.builders.nix.realise import realise
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from apps.builds.comparison import closure_of
from apps.builds.models import Build
from paas.nix.errors import NixError
from paas.nix.store import Store

TIME_LIMIT = 240.0
"""Seconds that all of it may take."""
_OURS = frozenset(
    {"app", "dependencies", "dependencies-production", "python-dependencies", "release"}
)
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Rebuilt:
    """One store path, built again in `seconds`; `same` says whether nothing differs."""

    name: str
    path: str
    same: bool
    seconds: float


def verify_build(build: Build) -> list[Rebuilt]:
    """Rebuild what is the app's own of a build: its dependencies, the app, the release, the image.

    Raises:
        Refused: it was not built by Nix.
        Conflict: it is not kept any more, or another one is being verified.
        Unavailable: there is no Nix here that can be used, or it took too long.
    """
    release = closure_of(build)
    if not _one_at_a_time.acquire(blocking=False):
        raise Conflict("Another build is being verified. Try again when it is done.")
    try:
        store = Store.of(settings.INSTANCE)
        paths = [path for path in store.requisites([release]) if path[44:] in _OURS]
        guard = Guard(threading.Event(), settings.INSTANCE.home, seconds=TIME_LIMIT)
        assert build.artifact is not None
        return [_rebuilt(store, path, guard) for path in (*paths, build.artifact["image"])]
    except NixError as error:
        raise Unavailable(str(error)) from error
    except BuildFailed as error:
        raise Unavailable(f"{error.what}. {error.why} {error.fix}") from error
    finally:
        _one_at_a_time.release()


def _rebuilt(store: Store, path: str, guard: Guard) -> Rebuilt:
    derivation = store.deriver(path)
    if derivation is None:
        raise Conflict(f"{path} came from a cache: it can be verified where it was built.")
    started = time.monotonic()
    argv = ("nix-store", "--realise", "--check", derivation)
    builds = settings.INSTANCE.build_dirs  # where retention finds what a killed process leaves
    builds.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=builds) as folder:
        activities = Activities(BuildLog(lambda _line: None), {})
        done = realise(
            store, argv, activities, guard, name=f"verify-{path[11:43]}", tmp=Path(folder)
        )
    said = "\n".join(activities.errors)
    if done.status != 0 and "may not be deterministic" not in said:
        raise Unavailable(f"{path[44:]} could not be built again: {said[-500:]}")
    seconds = round(time.monotonic() - started, 3)
    return Rebuilt(path[44:], path, done.status == 0, seconds)
