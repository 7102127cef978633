"""Go modules, gems and Composer's packages through the real tools.

Their registries are played by a server on this machine, as far as the tools
need one: what is fetched, what is built offline, and that nothing is fetched twice.
"""

from __future__ import annotations

import http.server
import io
import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from apps.builds.builders.host import Built
from buildpacks import SourceTree, plan
from paas import sandbox
from paas.sandbox import Bind, Sandbox
from tests.builders.conftest import Site

PATH = "/usr/local/bin:/usr/bin:/bin"
needs = {
    name: pytest.mark.skipif(
        any(shutil.which(program, path=PATH) is None for program in programs),
        reason=f"{' or '.join(programs)} is not on this machine",
    )
    for name, programs in {
        "go": ("go",),
        "ruby": ("ruby", "bundle", "gem"),
        "php": ("php", "composer", "unzip"),
    }.items()
}


class Registry:
    """Files served over HTTP, and the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                asked.append(self.path)

        handler = partial(Handler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    (tmp_path / "registry").mkdir()
    made = Registry(tmp_path / "registry")
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def archive(files: dict[str, str]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return held.getvalue()


def build(site: Site, files: dict[str, str], app_number: int = 7) -> Built:
    """Plan and build, as a push does."""
    job = site.job(files, app_number)
    site.log = []
    return site.builder.execute(plan(SourceTree(job.tree)), job, site.log.append, site.cancel)


def run(site: Site, built: Built, command: str, variables: dict[str, str] | None = None) -> str:
    """What `command` prints where the app runs, without a network."""
    artifact = built.artifact
    box = Sandbox(
        name=f"test-{os.getpid()}",
        binds=(
            Bind(Path(artifact.path), "/app"),
            *(Bind(Path(mount.source), mount.target) for mount in artifact.mounts),
        ),
        environment={
            "HOME": "/tmp",
            "PATH": ":".join([*artifact.path_entries, PATH]),
            **(variables or {}),
        },
        uid=sandbox.uid_for(7, site.instance.home),
    )
    child = sandbox.start(
        box, ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert child.stdout is not None
    output = child.stdout.read().decode()
    assert child.wait() == 0, output
    return output.strip()


def outside(argv: list[str], folder: Path, **variables: str) -> None:
    """What a developer runs on their own machine."""
    environment = {"PATH": PATH, "HOME": str(folder), **variables}
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs["go"]
def test_go_modules(
    site: Site, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "module example.org/left\n\ngo 1.18\n"
    code = 'package left\n\nconst Word = "fetched"\n'
    at = "example.org/left@v1.0.0/"
    registry.put("example.org/left/@v/list", "v1.0.0\n")
    registry.put("example.org/left/@v/v1.0.0.info", '{"Version": "v1.0.0"}')
    registry.put("example.org/left/@v/v1.0.0.mod", module)
    zipped = archive({f"{at}go.mod": module, f"{at}left.go": code})
    registry.put("example.org/left/@v/v1.0.0.zip", zipped)
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.go").write_text(
        'package main\n\nimport "example.org/left"\n\nfunc main() { println(left.Word) }\n'
    )
    (source / "go.mod").write_text(
        "module example.org/app\n\ngo 1.18\n\nrequire example.org/left v1.0.0\n"
    )
    settings = {"GOPROXY": registry.url, "GONOSUMDB": "*", "GOSUMDB": "off"}
    outside(["go", "mod", "tidy"], source, GOFLAGS="-modcacherw", **settings)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    files = {name: (source / name).read_text() for name in ("main.go", "go.mod", "go.sum")}
    registry.asked.clear()
    built = build(site, files)
    assert run(site, built, "bin/app") == "fetched"
    assert any(path.endswith("v1.0.0.zip") for path in registry.asked)
    assert not (Path(built.artifact.path) / ".cache/go-build/README").exists(), "kept apart"
    registry.asked.clear()
    build(site, files | {"other.go": "package main\n"}, app_number=8)
    assert registry.asked == [], "an unchanged go.sum fetches nothing"
    assert "-----> Using cached dependencies" in site.log


@needs["ruby"]
def test_gems_that_are_committed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/left.rb").write_text('module Left\n  WORD = "a gem"\nend\n')
    (tmp_path / "left.gemspec").write_text(
        'Gem::Specification.new { |s| s.name = "left"; s.version = "1.0.0"; s.summary = "x"; '
        's.authors = ["x"]; s.files = ["lib/left.rb"] }\n'
    )
    outside(["gem", "build", "left.gemspec"], tmp_path)
    folder = site.folder / "source1" / "vendor" / "cache"
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "left-1.0.0.gem", folder)
    lock = (
        "GEM\n  remote: http://127.0.0.1:9/\n  specs:\n    left (1.0.0)\n\n"
        "PLATFORMS\n  ruby\n\nDEPENDENCIES\n  left\n"
    )
    files = {
        "Gemfile": 'source "http://127.0.0.1:9"\ngem "left"\n',
        "Gemfile.lock": lock,
        "Procfile": "web: true\n",
    }
    built = build(site, files)
    variables = dict(plan(SourceTree(Path(built.artifact.path))).variables)
    code = "bundle exec ruby -e 'require \"left\"; puts Left::WORD'"
    assert run(site, built, code, variables) == "a gem"
    (site.folder / "source2").mkdir()
    shutil.copytree(site.folder / "source1/vendor", site.folder / "source2/vendor")
    build(site, files | {"README": "changed"})
    assert "-----> Using cached install" in site.log


@needs["php"]
def test_composers_packages(site: Site, registry: Registry, tmp_path: Path) -> None:
    package = {"name": "left/left", "version": "1.0.0", "autoload": {"psr-4": {"Left\\": "src/"}}}
    code = "<?php\nnamespace Left;\nconst X = 1;\nclass Word { const IT = 'a package'; }\n"
    registry.put("left.zip", archive({"src/Word.php": code, "composer.json": json.dumps(package)}))
    dist = {"dist": {"type": "zip", "url": f"{registry.url}/left.zip"}}
    source = tmp_path / "source"
    source.mkdir()
    composer = {
        "require": {"left/left": "1.0.0"},
        "config": {"secure-http": False},
        "repositories": [{"packagist.org": False}, {"type": "package", "package": package | dist}],
        "scripts": {"post-install-cmd": "touch script-ran"},
    }
    (source / "composer.json").write_text(json.dumps(composer))
    outside(
        ["composer", "update", "--no-interaction", "--no-install"],
        source,
        COMPOSER_ALLOW_SUPERUSER="1",
    )
    files = {name: (source / name).read_text() for name in ("composer.json", "composer.lock")}
    files |= {"run.php": "<?php require 'vendor/autoload.php'; echo Left\\Word::IT;"}
    files |= {"Procfile": "web: php run.php\n"}
    built = build(site, files)
    assert run(site, built, "php run.php") == "a package"
    assert (Path(built.artifact.path) / "script-ran").exists()
    assert "/left.zip" in registry.asked
    registry.asked.clear()
    build(site, files | {"other.php": ""})
    assert registry.asked == [], "an unchanged lock fetches nothing"
