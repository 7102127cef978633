"""What differs between two builds of Nix, over the API and in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from apps.accounts.models import User
from apps.builds.models import Build, BuildState
from apps.catalog.models import App
from apps.releases.create import Contents, create_release
from apps.releases.models import Release, ReleaseState
from paas.nix.difference import PackageChange, difference, split_name
from paas.nix.store import Store
from tests.conftest import Api
from tests.nix import release

NOWHERE = "/nix/store/00000000000000000000000000000000-x"


@pytest.mark.parametrize(
    ("name", "package", "version"),
    [
        ("python3-3.11.2", "python3", "3.11.2"),
        ("go-std-cache-1.27.3", "go-std-cache", "1.27.3"),
        ("release", "release", ""),
        ("libstdc++6-12.2.0-14", "libstdc++6", "12.2.0-14"),
        ("nix-image-app.tar", "nix-image-app.tar", ""),
    ],
)
def test_names_are_split_as_nix_does(name: str, package: str, version: str) -> None:
    assert split_name(name) == (package, version)


def versions(store: Store, folder: Path, **packages: str) -> str:
    """A release root with packages of these versions; their size grows with it."""
    folder.mkdir(exist_ok=True)
    refers = []
    for name, version in packages.items():
        file = folder / f"{name}-{version}"
        file.write_text(version * 100)
        refers.append(store.add(file))
    extra = "echo $refers > $out/refers"
    return release.make(store, folder, name="app", extra=extra, refers=refers).path


def test_package_by_package(store: Store, tmp_path: Path) -> None:
    before = versions(store, tmp_path / "a", python3="3.11", zlib="1.2", gone="1")
    after = versions(store, tmp_path / "a", python3="3.12.1", zlib="1.2", more="2")
    found = difference(store, before, after)
    changes = {one.name: (one.before, one.after) for one in found.changes}
    assert changes == {
        "app": (("",), ("",)),
        "gone": (("1",), ()),
        "more": ((), ("2",)),
        "python3": (("3.11",), ("3.12.1",)),
    }
    python = next(one for one in found.changes if one.name == "python3")
    assert python.size_after > python.size_before > 0
    assert found.size_before == store.closure_size([before])
    assert found.size_after == store.closure_size([after])
    new = {one.path for one in store.info([after], recursive=True)}
    new -= {one.path for one in store.info([before], recursive=True)}
    assert found.new == sum(one.nar_size for one in store.info(new))
    assert difference(store, after, after).changes == ()


def test_nix_sees_the_same_packages(store: Store, tmp_path: Path) -> None:
    before = versions(store, tmp_path / "a", python3="3.11", gone="1")
    after = versions(store, tmp_path / "a", python3="3.12.1", more="2")
    theirs = store.run("nix", "store", "diff-closures", before, after)
    ours = {one.name for one in difference(store, before, after).changes if _told(one)}
    assert {line.partition(":")[0] for line in theirs.splitlines()} == ours


def _told(one: PackageChange) -> bool:
    """Nix is silent about what has the same version and nearly the same size."""
    return one.before != one.after


# --- over the API ---------------------------------------------------------------------
@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("PAAS_NIX_STORE", str(tmp_path / "store"))
    return Store.of(settings.INSTANCE)


def released(app: App, artifact: dict[str, str] | None) -> Build:
    build = Build.objects.create(
        app=app, commit="c" * 40, branch="main", state=BuildState.SUCCEEDED, artifact=artifact
    )
    assert app.owner is not None
    made = create_release(app, app.owner, lambda newest: Contents(build, {}, "Deploy"), wait=0)
    Release.objects.filter(pk=made.pk).update(state=ReleaseState.SUCCEEDED)
    return build


def nix(path: str) -> dict[str, str]:
    return {"kind": "nix", "path": path, "digest": path}


@pytest.mark.django_db
def test_two_releases(
    here: Store, tmp_path: Path, hello: App, alice: User, api: Callable[..., Api]
) -> None:
    for version in ("1.0", "2.0"):
        released(hello, nix(versions(here, tmp_path / "a", tool=version)))
    latest = Build.objects.filter(app=hello).first()
    assert latest is not None
    for one, other in (("v1", "v2"), ("v1", "latest"), ("v1", str(latest.id)[:8])):
        done, found = api(alice)("GET", f"/apps/hello/builds/{one}/difference/{other}")
        assert done == 200
        tool = next(change for change in found["changes"] if change["name"] == "tool")
        assert (tool["before"], tool["after"]) == (["1.0"], ["2.0"])
        assert found["new"] < found["size_after"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("artifact", "answer", "text"),
    [
        (None, 409, "has no result that is kept"),
        ({"kind": "host", "path": "/x", "digest": "x"}, 422, "PAAS_BUILDER=nix"),
        (nix(NOWHERE), 409, "left the Nix store"),
    ],
)
def test_what_cannot_be_compared(
    here: Store, tmp_path: Path, hello: App, alice: User, api: Callable[..., Api],
    artifact: dict[str, str] | None, answer: int, text: str,
) -> None:  # fmt: skip
    released(hello, nix(versions(here, tmp_path / "a", tool="1")))
    released(hello, artifact)
    done, body = api(alice)("GET", "/apps/hello/builds/v1/difference/v2")
    assert done == answer and text in body["message"]
    assert api(alice)("GET", "/apps/hello/builds/v1/difference/v3")[0] == 404
