"""From a build to another node: the cache alone is enough, and little is sent for little."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from apps.builds.builders.base import Built, NixArtifact
from paas.nix.cache import Cache
from paas.nix.cache_folder import CacheFolder, Usage
from paas.nix.store import Store
from paas.sandbox import remove_tree
from tests.nix.builder.conftest import SAMPLES, Site
from tests.nix.builder.test_languages import second


@pytest.fixture(scope="module")
def pair(site: Site) -> tuple[Built, Built]:
    """A sample, and the same after a change of one line."""
    return site.build(SAMPLES / "flask"), site.build(SAMPLES / "flask", change=second)


def test_the_log_tells_what_was_pushed(site: Site) -> None:
    text = f"# {uuid.uuid4()}\n"
    site.build({"index.html": text})
    assert "Pushed " in site.said and "paths to the cache" in site.said


def image(built: Built) -> str:
    assert isinstance(built.artifact, NixArtifact)
    return built.artifact.image


def cache(site: Site) -> CacheFolder:
    found = Cache.of(site.instance, {}).folder
    assert found is not None
    return found


@pytest.fixture
def node(site: Site, tmp_path: Path) -> Iterator[Store]:
    """Another machine, which trusts `paas-ci` and has no right to build."""
    key = Cache.of(site.instance, {}).public_key
    there = Store.of(
        replace(site.instance, home=tmp_path / "node"),
        {
            "PAAS_NIX_STORE": str(tmp_path / "store"),
            "PAAS_NIX_SUBSTITUTERS": f"file://{cache(site).root}",
            "PAAS_NIX_TRUSTED_KEYS": key,
        },
    )
    there.prepare()
    conf = there.config.conf / "nix.conf"
    conf.write_text(conf.read_text() + "max-jobs = 0\n")
    yield there
    remove_tree(tmp_path)


def test_another_node_runs_the_app_from_the_cache_alone(
    site: Site, pair: tuple[Built, Built], node: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the image alone, as nix-snapshotter asks for it."""
    built, _ = pair
    node.run("nix-store", "--realise", image(built))
    assert node.requisites([built.artifact.path]) == site.closure(built)
    monkeypatch.setenv("PAAS_NIX_STORE", str(node.config.directory))
    there = replace(site, instance=replace(site.instance, home=node.config.home.parent))
    code = "import app, sys; print(len(app.app.url_map._rules), sys.prefix)"
    said = there.run(built, f'python -c "{code}" 2>&1')
    assert said.split()[1].startswith("/"), said


def test_little_is_sent_for_a_change_of_one_line(site: Site, pair: tuple[Built, Built]) -> None:
    first, again = pair
    folder, store = cache(site), site.store
    whole = folder.usage(store.requisites([image(first)]))
    new = set(store.requisites([image(again)])) - set(store.requisites([image(first)]))
    changed = folder.usage(new)
    assert changed.paths == len(new) > 0
    print(f"\nwhole {whole}, after a change of one line {changed}")
    assert changed.size * 100 <= whole.size
    assert folder.lacks(store.requisites([image(again)])) == []


def test_what_was_built_again_is_not_sent_again(site: Site, pair: tuple[Built, Built]) -> None:
    before = cache(site).usage()
    assert site.build(SAMPLES / "flask").artifact.path == pair[0].artifact.path
    assert "to the cache" not in site.said
    assert cache(site).usage() == before != Usage(0, 0)
