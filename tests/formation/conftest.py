"""A runtime that holds everything in memory, and a build that has been made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.builds.models import Build, BuildState
from apps.formation import runtime
from apps.releases.create import Contents, create_release
from apps.releases.models import Release
from buildpacks.plan import Plan
from paas.runtimes.null import NullRuntime


@pytest.fixture(autouse=True)
def null(settings, monkeypatch) -> NullRuntime:
    """The null runtime, in place of the one that `PAAS_RUNTIME` names."""
    runtime.get_runtime.cache_clear()
    null = NullRuntime()
    monkeypatch.setattr("paas.runtimes.local.LocalRuntime", lambda instance: null)
    yield null
    runtime.get_runtime.cache_clear()


@pytest.fixture
def make_build(hello, alice) -> Callable[..., Build]:
    def make(commit: str = "c" * 40, **processes: str) -> Build:
        plan = Plan(
            providers=("procfile",),
            name="Procfile",
            processes=processes or {"web": "serve", "worker": "work"},
        )
        return Build.objects.create(
            app=hello,
            user=alice,
            commit=commit,
            branch="main",
            state=BuildState.SUCCEEDED,
            plan=plan.to_json(),
            artifact={"kind": "host", "path": "/nowhere", "digest": commit},
        )

    return make


@pytest.fixture
def make_release(hello, alice) -> Callable[..., Release]:
    def make(build: Build | None, **variables: str) -> Release:
        return create_release(
            hello, alice, lambda newest: Contents(build, variables, "Deploy"), wait=0
        )

    return make
