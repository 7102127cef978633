"""Sample apps by real Nix: built, run from their closure alone, changed, and built again."""

from __future__ import annotations

import json
import re
import uuid
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from apps.builds.builders.base import Built, NixArtifact
from tests.builders.test_registries import Registry, archive, registry
from tests.nix.builder.conftest import SAMPLES, Site, steps

__all__ = ["registry"]

NEW = f"version-{uuid.uuid4().hex}"  # of this process alone: others share the store
_VERSION = re.compile(r'(\bVERSION(?:: &str)? = )".*"')
_SOURCES = {".py", ".js", ".go", ".rb", ".php", ".rs"}


def second(tree: Path) -> None:
    """The one-line change."""
    for path in tree.rglob("*.*"):
        if path.suffix in _SOURCES and _VERSION.search(path.read_text()):
            path.write_text(_VERSION.sub(rf'\1"{NEW}"', path.read_text()))


@pytest.fixture(scope="module", params=["flask", "express", "go", "ruby", "php", "rust"])
def pair(request: pytest.FixtureRequest, site: Site) -> tuple[str, Built, Built, str]:
    """A sample, built; then built with one line changed, the network unplugged; and its log."""
    sample = request.param
    first = site.build(SAMPLES / sample)
    with pytest.MonkeyPatch.context() as patch:
        unplug(patch)
        again = site.build(SAMPLES / sample, change=second)
    return sample, first, again, site.said


def unplug(patch: pytest.MonkeyPatch) -> None:
    """Whoever asks a registry now is refused."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        patch.setenv(name, "http://127.0.0.1:9")


def test_a_change_of_the_source_builds_the_app_alone(site, pair):
    sample, first, again, said = pair
    assert first.artifact.path != again.artifact.path
    assert set(steps(again)) == {"app", "release", "nix-image-app.tar"}
    if sample in {"flask", "express", "ruby"}:  # the others' programs hold what they depend on
        assert site.dependencies(first) == site.dependencies(again) != []
    assert NEW in site.run(again, "strings app.py server.* src/Version.php bin/hello 2>/dev/null")
    assert "Built 3 paths" in said


def test_the_same_source_builds_nothing(site, pair):
    sample, first, _, _ = pair
    again = site.build(SAMPLES / sample)
    assert again.artifact == NixArtifact(
        first.artifact.path, first.artifact.digest, first.artifact.image
    )
    assert "Nothing changed" in site.said


def test_it_builds_the_same_twice(site, pair):
    _, first, _, _ = pair
    for path in [*site.dependencies(first), first.artifact.path, first.artifact.image]:
        site.store.run("nix-store", "--realise", "--check", site.store.deriver(path))


def test_the_closure_is_all_there_is(site, pair):
    _, first, _, _ = pair
    said = site.run(first, "ls /; ls /usr; which sh env ls tar awk; id -u; date -d @0 +%Y")
    assert {"app", "bin", "etc", "nix", "share", "usr"} <= set(said.split())
    assert not {"lib", "root", "home", "opt", "sbin"} & set(said.split())
    listed = set(site.run(first, "ls /nix/store").split())
    assert listed == {path.rpartition("/")[2] for path in site.closure(first)}


def test_build_only_inputs_are_not_shipped(site, pair):
    _, first, _, _ = pair
    names = " ".join(path[44:] for path in site.closure(first))
    for word in (
        ".whl",
        ".tgz",
        ".deb",
        "patchelf",
        "uv-",
        "pip-",
        "bubblewrap",
        "source",
        "files",
    ):
        assert word not in names, names
    assert not any(word in names for word in ("go-1", "rust-", "composer-", "cc-1"))


def test_twenty_apps_with_one_lock_share_their_dependencies(site):
    built = [site.build(SAMPLES / "flask", number=number) for number in (7, 8)]
    changed = site.build(SAMPLES / "flask", number=9, change=second)
    assert {tuple(site.dependencies(one)) for one in (*built, changed)} == {
        tuple(site.dependencies(built[0]))
    }


def test_django_collects_its_files(site):
    built = site.build(SAMPLES / "django")
    assert "Running" in site.said and "collectstatic" in site.said
    assert ".css" in site.run(built, "ls staticfiles")
    assert "5." in site.run(built, "python -c 'import django; print(django.__version__)'")


def test_a_site_is_served_by_caddy(site):
    built = site.build(SAMPLES / "static")
    assert "v2" in site.run(built, "caddy version")
    assert "index.html" in site.run(built, "ls public")


def test_the_server_that_is_missing_is_added(site):
    built = site.build(SAMPLES / "fastapi")
    assert "uvicorn" in site.run(built, "uvicorn --version")


def test_modules_of_go_come_by_go_sum(
    site: Site, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "module example.org/left\n\ngo 1.18\n"
    at = "example.org/left@v1.0.0/"
    code = 'package left\n\nconst Word = "fetched"\n'
    registry.put("example.org/left/@v/list", "v1.0.0\n")
    registry.put("example.org/left/@v/v1.0.0.info", '{"Version": "v1.0.0"}')
    registry.put("example.org/left/@v/v1.0.0.mod", module)
    zipped = archive({f"{at}go.mod": module, f"{at}left.go": code})
    registry.put("example.org/left/@v/v1.0.0.zip", zipped)
    for name, value in {"GOPROXY": registry.url, "GONOSUMDB": "*", "GOSUMDB": "off"}.items():
        monkeypatch.setenv(name, value)
    files = {
        "main.go": (
            'package main\n\nimport "example.org/left"\n\nfunc main() { print(left.Word) }\n'
        ),
        "go.mod": "module example.org/app\n\ngo 1.18\n\nrequire example.org/left v1.0.0\n",
        "go.sum": (
            f"example.org/left v1.0.0 {dirhash({f'{at}go.mod': module, f'{at}left.go': code})}\n"
            f"example.org/left v1.0.0/go.mod {dirhash({'go.mod': module})}\n"
        ),
    }
    built = site.build(files)
    assert site.run(built, "bin/app") == "fetched"
    assert all("fetched" not in path for path in site.closure(built))
    registry.asked.clear()
    unplug(monkeypatch)
    again = site.build({**files, "other.go": "package main\n"}, number=8)
    assert registry.asked == [], "an unchanged go.sum fetches nothing"
    assert site.run(again, "bin/app") == "fetched"
    registry.put("example.org/left/@v/v1.0.0.zip", archive({f"{at}go.mod": module}))
    wrong = {**files, "go.sum": files["go.sum"].replace("h1:", "h1:x", 1)}
    assert "go mod tidy" in site.fails(wrong).fix


def dirhash(files: dict[str, str]) -> str:
    """Go's h1: a hash over the hashes of the files and their names."""
    lines = (
        f"{sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(files.items())
    )
    return f"h1:{b64encode(sha256(''.join(lines).encode()).digest()).decode()}"


def test_what_the_lock_names_by_hash_lies_at_that_path(site):
    site.build(SAMPLES / "express")
    lock = json.loads((SAMPLES / "express/package-lock.json").read_text())
    wanted = {
        entry["version"] for key, entry in lock["packages"].items() if key.endswith("/express")
    }
    (version,) = wanted
    found = list((site.store.physical("/nix/store")).glob(f"*-express-{version}.tgz"))
    assert len(found) == 1
