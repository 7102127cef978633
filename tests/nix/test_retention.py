"""What stays in store and cache: what kept releases need, and nothing else for long."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client, override_settings

from apps.accounts.models import User
from apps.accounts.policy import Actor
from apps.builds.models import Build, BuildState
from apps.catalog.models import App
from apps.formation import retention
from apps.nodes import tokens
from apps.releases.create import Contents, create_release
from apps.releases.models import Release, ReleaseState
from paas.instance import Instance
from paas.nix.cache import Cache
from paas.nix.cache_folder import CacheFolder
from paas.nix.image import read_image
from paas.nix.publish import publish
from paas.nix.store import Store
from paas.nix.sweep import sweep_store
from tests.conftest import Api
from tests.nix import release

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(nix_instance: Instance, store: Store, monkeypatch: pytest.MonkeyPatch) -> object:
    """The panel is the test's instance."""
    monkeypatch.setenv("PAAS_NIX_STORE", str(store.config.directory))
    monkeypatch.setattr(retention, "KEPT_RELEASES", 2)
    with override_settings(INSTANCE=nix_instance):
        yield


@pytest.fixture
def push(store: Store, hello: App, tmp_path: Path) -> Callable[[str], Build]:
    """A release by Nix whose page says what is given."""

    def make(text: str) -> Build:
        files = {"public/index.html": text}
        built = release.make(store, tmp_path / "build", files)
        path, image = built.path, release.image_of(store, built, tmp_path)
        build = Build.objects.create(
            app=hello, commit="c" * 40, branch="main", state=BuildState.SUCCEEDED,
            artifact={"kind": "nix", "path": path, "digest": path, "image": image},
        )  # fmt: skip
        publish(settings.INSTANCE, store, str(build.id), [path, image])
        made = create_release(hello, hello.owner, lambda _: Contents(build, {}, "Deploy"), wait=0)
        Release.objects.filter(app=hello).update(current=False)
        Release.objects.filter(pk=made.pk).update(state=ReleaseState.SUCCEEDED, current=True)
        return build

    return make


def path_of(build: Build) -> str:
    return str((build.artifact or {})["path"])


def folder() -> CacheFolder:
    found = Cache.of(settings.INSTANCE, {}).folder
    assert found is not None
    return found


def let_time_pass(store: Store) -> None:
    """More than an hour for the cache and the roots, more than a day for the store."""
    past = time.time() - 2 * 24 * 3600
    for path in (*folder().root.rglob("*"), *store.roots.folder.iterdir()):
        os.utime(path, (past, past), follow_symlinks=False)
    mark = store.config.home / "collected"
    if mark.exists():
        os.utime(mark, (past, past))


def test_what_kept_releases_need_stays(store: Store, push: Callable[[str], Build]) -> None:
    builds = [push(text) for text in ("one", "two", "three")]
    retention.enforce_all()
    assert set(store.roots.all()) == {str(build.id) for build in builds[1:]}
    let_time_pass(store)
    retention.enforce_all()
    gone, *kept = [path_of(build) for build in builds]
    assert folder().lacks([gone, *kept]) == [gone]
    assert [store.is_valid(path) for path in (gone, *kept)] == [False, True, True]
    assert folder().lacks(store.requisites(kept)) == []


def test_images_vanish_with_their_releases(
    store: Store, push: Callable[[str], Build], admin: User, memory_cache: None
) -> None:
    token = tokens.create(Actor(admin), "node-1").token

    def answers(path: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return Client().get(f"/v2/hello/{path}", headers=headers).status_code

    builds = [push(text) for text in ("one", "two", "three")]
    images = [str((build.artifact or {})["image"]) for build in builds]
    digests = [read_image(store.physical(image)).manifest for image in images]
    asked = [f"manifests/{one}" for one in ("v1", str(builds[0].id), digests[0])]
    assert [answers(path) for path in asked] == [200, 200, 200]
    retention.enforce_all()
    assert [answers(path) for path in asked] == [404, 404, 404]
    for number in (1, 2):
        for tag in (f"v{number + 1}", str(builds[number].id), digests[number]):
            assert answers(f"manifests/{tag}") == 200
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get("/v2/hello/tags/list", headers=headers).json()["tags"] == ["v2", "v3"]
    let_time_pass(store)
    retention.enforce_all()
    assert [store.is_valid(image) for image in images] == [False, True, True]


def test_a_rollback_that_has_begun_keeps_its_build(
    store: Store, hello: App, push: Callable[[str], Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began after retention had asked what is needed."""
    first, *_ = [push(text) for text in ("one", "two", "three")]
    needed = retention._needed_builds

    def stale(app: App) -> set[uuid.UUID]:
        found = needed(app)
        create_release(app, app.owner, lambda _: Contents(first, {}, "Rollback to v1"), wait=0)
        return found

    monkeypatch.setattr(retention, "_needed_builds", stale)
    retention.enforce(hello)
    first.refresh_from_db()
    assert first.artifact is not None and str(first.id) in store.roots.all()


def test_the_current_release_stays_however_old(
    store: Store, hello: App, push: Callable[[str], Build]
) -> None:
    builds = [push(text) for text in ("one", "two", "three")]
    Release.objects.filter(app=hello).update(current=False)
    Release.objects.filter(app=hello, build=builds[0]).update(current=True)
    let_time_pass(store)
    retention.enforce_all()
    assert set(store.roots.all()) == {str(build.id) for build in builds}


def test_a_cache_that_was_deleted_is_filled_again(
    store: Store, push: Callable[[str], Build]
) -> None:
    kept = [path_of(push(text)) for text in ("one", "two")]
    shutil.rmtree(folder().root)
    retention.enforce_all()
    assert folder().lacks(store.requisites(kept)) == []


def test_a_root_whose_path_is_gone_harms_nothing(
    store: Store, push: Callable[[str], Build]
) -> None:
    push("one")
    store.roots.link("lost").symlink_to("/nix/store/00000000000000000000000000000000-x")
    let_time_pass(store)
    sweep_store(settings.INSTANCE)
    assert folder().usage().paths == 4


def test_a_destroyed_app_leaves_nothing(
    store: Store, hello: App, push: Callable[[str], Build]
) -> None:
    build = push("one")
    path = path_of(build)
    retention.enforce_all()
    Release.objects.filter(app=hello).delete()
    hello.delete()
    retention.enforce_all()
    assert list(store.roots.all()) == [str(build.id)]  # it could be a build's that begins
    let_time_pass(store)
    retention.enforce_all()
    assert store.roots.all() == {} and folder().usage().paths == 0
    assert not store.is_valid(path)


def test_a_build_that_goes_on_keeps_its_root(
    store: Store, hello: App, push: Callable[[str], Build]
) -> None:
    push("one")
    going = Build.objects.create(app=hello, commit="d" * 40, branch="main")
    path = release.make(store, store.config.home.parent / "b", {"x": "x"}).path
    publish(settings.INSTANCE, store, str(going.id), [path])
    publish(settings.INSTANCE, store, str(uuid.uuid4()), [path])
    let_time_pass(store)
    retention.enforce_all()
    assert str(going.id) in store.roots.all() and len(store.roots.all()) == 2
    assert store.is_valid(path) and folder().lacks([path]) == []


def test_the_store_is_collected_once_a_day(store: Store, push: Callable[[str], Build]) -> None:
    push("one")
    (store.config.home / "loose").write_text("of a build that failed")
    path = store.add(store.config.home / "loose")
    for _ in range(2):
        sweep_store(settings.INSTANCE)
        assert store.is_valid(path)
    let_time_pass(store)
    with store.in_use():
        sweep_store(settings.INSTANCE)
        assert store.is_valid(path)
    sweep_store(settings.INSTANCE)
    assert not store.is_valid(path)


def test_the_machines_store_is_left_to_its_owner(
    store: Store, push: Callable[[str], Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    push("one")
    let_time_pass(store)
    asked: list[str] = []
    monkeypatch.setattr(Store, "collect", lambda self, **how: asked.append(self.config.remote))
    monkeypatch.delenv("PAAS_NIX_STORE")
    sweep_store(settings.INSTANCE, every=0)
    assert asked == []


def test_nothing_is_made_where_nix_has_built_nothing(nix_instance: Instance) -> None:
    sweep_store(nix_instance)
    assert not (nix_instance.home / "nix").exists() and not nix_instance.cache.exists()


def test_another_ones_cache_is_its_owners_to_clear_up(
    store: Store,
    push: Callable[[str], Build],
    api: Callable[..., Api],
    admin: User,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAAS_NIX_CACHE", f"file://{tmp_path}/elsewhere")
    build = push("one")
    call = api(admin)
    found = call("GET", "/nodes/cache")[1]
    assert (found["url"], found["paths"], found["size"]) == (
        f"file://{tmp_path}/elsewhere", None, None,
    )  # fmt: skip
    store.roots.remove(str(build.id))
    done, gone = call("POST", "/nodes/cache/actions/collect", {})
    assert done == 200 and gone["store_paths"] > 0
    assert gone["cache_paths"] is None and gone["cache_size"] is None
    assert len(list((tmp_path / "elsewhere").glob("*.narinfo"))) == 4


def test_an_admin_looks_and_collects(
    store: Store, push: Callable[[str], Build], api: Callable[..., Api], admin: User
) -> None:
    first = push("one")
    call = api(admin)
    done, found = call("GET", "/nodes/cache")
    assert done == 200
    assert (found["paths"], found["kept_builds"]) == (4, 1)
    assert found["url"].endswith("/cache/") and found["public_key"].startswith("paas-ci:")
    assert found["size"] == folder().usage().size > 0 and found["free"] > 0
    push("two")
    store.roots.remove(str(first.id))
    let_time_pass(store)
    with store.in_use():
        assert call("POST", "/nodes/cache/actions/collect", {})[0] == 409
    done, gone = call("POST", "/nodes/cache/actions/collect", {})
    assert done == 200 and gone["store_paths"] > 0
    assert folder().lacks([path_of(first)]) == [path_of(first)]
    assert not store.is_valid(path_of(first))
