"""Shared dependencies live as long as an artifact or a build needs them."""

from __future__ import annotations

import os
from pathlib import Path

from apps.builds.builders.sweep import forget_app, sweep_dependencies
from buildpacks.plan import PythonDependencies
from paas.sandbox import remove_tree
from tests.builders.conftest import Site, plan, wheel


def test_only_what_nothing_uses_is_deleted(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    wheel(packages, "beta")
    needs = PythonDependencies("requirements", ("requirements.txt",))
    kept = site.build(plan(python=needs), {"requirements.txt": "alpha\n"})
    lost = site.build(plan(python=needs), {"requirements.txt": "beta\n"})
    store = site.instance.cache / "dependencies"
    for path in store.iterdir():
        os.utime(path, (0, 0))
    remove_tree(Path(lost.artifact.path).parent)
    gone = {mount.source for mount in lost.artifact.mounts} - {
        mount.source for mount in kept.artifact.mounts
    }
    assert {str(path) for path in sweep_dependencies(site.instance)} == gone
    assert sweep_dependencies(site.instance) == []
    site.build(plan(python=needs), {"requirements.txt": "alpha\n"})
    assert "-----> Using cached dependencies" in site.log


def test_what_was_just_used_stays(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    needs = PythonDependencies("requirements", ("requirements.txt",))
    built = site.build(plan(python=needs), {"requirements.txt": "alpha\n"})
    remove_tree(Path(built.artifact.path).parent)
    assert sweep_dependencies(site.instance) == []


def test_an_unreadable_record_keeps_everything(site: Site, packages: Path) -> None:
    wheel(packages, "alpha")
    needs = PythonDependencies("requirements", ("requirements.txt",))
    built = site.build(plan(python=needs), {"requirements.txt": "alpha\n"})
    (Path(built.artifact.path).parent / "artifact.json").write_text("{")
    assert sweep_dependencies(site.instance, unused_after=-1) == []


def test_a_deleted_apps_cache_goes_with_it(site: Site) -> None:
    cache = site.instance.cache / "apps" / "7" / "uv"
    cache.mkdir(parents=True)
    forget_app(site.instance, 7)
    forget_app(site.instance, 7)
    assert not cache.parent.exists()
