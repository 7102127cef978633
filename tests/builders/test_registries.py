"""Go modules, gems, crates and Composer's packages through the real tools.

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
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from apps.builds.builders import languages
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


INDEX = "registry+https://index.example/git/index"  # the mirror stands in for it


class Crates:
    """A sparse registry, and apps that use its crates."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.digests: dict[str, str] = {}
        address = f"{registry.url}/dl/{{crate}}-{{version}}.crate"
        registry.put("config.json", json.dumps({"dl": address}))

    def put(self, name: str, code: str, *needed: str) -> None:
        manifest = f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n'
        index = INDEX.removeprefix("registry+")  # as `cargo publish` writes it
        listed = (f'{one} = {{ version = "1", registry-index = "{index}" }}\n' for one in needed)
        manifest += "[dependencies]\n" + "".join(listed)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for file, text in {"Cargo.toml": manifest, "src/lib.rs": code}.items():
                member = tarfile.TarInfo(f"{name}-1.0.0/{file}")
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
        self.digests[name] = sha256(packed.getvalue()).hexdigest()
        self.registry.put(f"dl/{name}-1.0.0.crate", packed.getvalue())
        common = {"features": [], "optional": False, "default_features": True, "kind": "normal"}
        entry = {
            "name": name,
            "vers": "1.0.0",
            "deps": [{"name": one, "req": "^1", "target": None, **common} for one in needed],
            "cksum": self.digests[name],
            "features": {},
            "yanked": False,
        }
        self.registry.put(f"{name[:2]}/{name[2:4]}/{name}", json.dumps(entry) + "\n")

    def app(self, needed: Mapping[str, tuple[str, ...]], code: str) -> dict[str, str]:
        """A program that needs these crates and all that they need."""
        lock = ["version = 3", "", _locked("app", [*needed])]
        lock += [_locked(one, needed[one], self.digests[one]) for one in needed]
        manifest = (
            '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\nrust-version = "1.60"\n'
            "[dependencies]\n"
        ) + "".join(f'{one} = {{ version = "1", registry = "own" }}\n' for one in needed)
        settings = (
            f'[registries.own]\nindex = "{INDEX.removeprefix("registry+")}"\n'
            f'[source.own]\nregistry = "{INDEX.removeprefix("registry+")}"\n'
            'replace-with = "mirror"\n'
            f'[source.mirror]\nregistry = "sparse+{self.registry.url}/"\n'
        )
        return {
            "Cargo.toml": manifest,
            "Cargo.lock": "\n".join(lock),
            "src/main.rs": code,
            ".cargo/config.toml": settings,
        }


def _locked(name: str, needed: list[str] | tuple[str, ...], digest: str = "") -> str:
    proof = f'source = "{INDEX}"\nchecksum = "{digest}"\n' if digest else ""
    listed = "".join(f' "{one}",\n' for one in sorted(needed))
    tail = f"dependencies = [\n{listed}]\n" if needed else ""
    return f'[[package]]\nname = "{name}"\nversion = "1.0.0"\n{proof}{tail}'


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


@pytest.mark.skipif(
    not languages.installed("rust") or shutil.which("cc", path=PATH) is None,
    reason="Rust is not on this machine",
)
def test_crates(site: Site, registry: Registry) -> None:
    crates = Crates(registry)
    crates.put("left", 'pub const WORD: &str = "a crate";\n')
    files = crates.app({"left": ()}, 'fn main() { println!("{} one", left::WORD); }\n')
    built = build(site, files)
    assert run(site, built, "bin/app; target/release/app") == "a crate one\na crate one"
    assert "/dl/left-1.0.0.crate" in registry.asked
    registry.asked.clear()
    code = files["src/main.rs"].replace("one", "two")
    built = build(site, files | {"src/main.rs": code})
    assert registry.asked == [], "an unchanged lock fetches nothing"
    assert run(site, built, "bin/app") == "a crate two"
    assert not any("Compiling left" in line for line in site.log)
