"""Which installed toolchain a plan gets, and what it says when there is none."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.builds.builders import languages, managers, toolset
from apps.builds.builders.base import BuildFailed
from apps.builds.builders.languages import Toolchain
from apps.builds.builders.output import BuildLog
from buildpacks.plan import Phase, Pin, Plan
from buildpacks.ranges import Version, parse_version
from tests.builders.conftest import Site


def installed(tool: str, *versions: str) -> list[Toolchain]:
    found = [parse_version(version) for version in versions]
    return [
        Toolchain(tool, Path(f"/x/{tool}"), version, Path("/x")) for version in found if version
    ]


NODES = installed("node", "18.20.0", "22.3.1", "20.11.1")


@pytest.mark.parametrize(
    ("spec", "version"),
    [("", (22, 3, 1)), ("20.x", (20, 11, 1)), (">=18 <22", (20, 11, 1)), ("18", (18, 20, 0))],
)
def test_the_newest_that_fits(spec: str, version: Version) -> None:
    found, warning = languages.resolve(Pin("node", spec, "package.json"), NODES)
    assert found.version == version
    assert warning == ""


def test_another_patch_does_with_a_warning() -> None:
    found, warning = languages.resolve(Pin("node", "v20.1.0", ".nvmrc"), NODES)
    assert found.version == (20, 11, 1)
    assert "20.1.0" in warning
    assert ".nvmrc" in warning


def test_ruby_must_be_just_the_one() -> None:
    with pytest.raises(BuildFailed):
        languages.resolve(Pin("ruby", "3.1.4", "Gemfile"), installed("ruby", "3.1.2"))


def test_what_stands_for_programs_elsewhere_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rustup prints its own version where it finds no settings."""
    (tmp_path / "rustup").write_text("#!/bin/sh\necho rustup 1.29.0\n")
    (tmp_path / "rustup").chmod(0o755)
    (tmp_path / "rustc").symlink_to("rustup")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (1, 29, 0) not in [one.version for one in languages.installed("rust")]


@pytest.mark.parametrize("tool", languages.LANGUAGES)
def test_what_is_missing_says_what_is_here_and_how_to_add_it(tool: str) -> None:
    pin = Pin(tool, ">=99", "its file")
    with pytest.raises(BuildFailed) as failure:
        languages.resolve(pin, installed(tool, "1.2.3"))
    assert languages.LANGUAGES[tool].shown in failure.value.what
    assert "1.2.3" in failure.value.why
    assert "its file" in failure.value.fix
    assert "apt install" in failure.value.fix
    with pytest.raises(BuildFailed) as failure:
        languages.resolve(Pin(tool, "", "default"), [])
    assert "none" in failure.value.why


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_version_managers_folders_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/shims:/usr/bin")
    program(tmp_path / "shims", "node", "v97.0.0")
    program(tmp_path / ".nvm/versions/node/v98.1.2/bin", "node", "v98.1.2")
    program(tmp_path / ".nvm/versions/node/broken/bin", "node", "no version")
    found = languages.installed("node")
    assert (found[0].version, found[0].prefix.name) == ((98, 1, 2), "v98.1.2")
    assert all(one.version[0] != 97 for one in found), "a shim finds nothing in a sandbox"


@pytest.mark.parametrize("tool", languages.LANGUAGES)
def test_what_is_in_the_path_is_found(tool: str) -> None:
    program = languages.LANGUAGES[tool].program
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    assert languages.installed(tool)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder of its own, not in /tmp, which a sandbox has for itself."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        monkeypatch.setenv("HOME", folder)
        yield Path(folder)


def test_a_toolchain_outside_of_the_system_is_shown_inside(site: Site, home: Path) -> None:
    for name in ("node", "npm"):
        program(home / ".nvm/versions/node/v98.1.2/bin", name, "v98.1.2")
    made = Plan(
        ("node",),
        "Node.js",
        pins=(Pin("node", "98.x", ".nvmrc"),),
        phases=(
            Phase("fetch", ("node > lock",), files=("lock",), results=("made",)),
            Phase("build", ("node > said",)),
        ),
    )
    built = site.build(made, {"lock": ""})
    assert "-----> Using Node.js 98.1.2 (.nvmrc)" in site.log
    assert (Path(built.artifact.path) / "said").read_text() == "v98.1.2\n"
    folder = f"{home}/.nvm/versions/node/v98.1.2/bin"
    assert built.artifact.path_entries[0] == folder
    assert folder in [mount.target for mount in built.artifact.mounts]


def test_companions_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = program(tmp_path / "bin", "node", "v20.0.0")
    one = Toolchain("node", node, (20, 0, 0), tmp_path)
    monkeypatch.setattr(languages, "installed", lambda _tool: [one])
    monkeypatch.setattr(toolset, "system_path", lambda: "/nowhere")
    made = Plan(("node",), "Node.js", pins=(Pin("node", "", "default"),))
    with pytest.raises(BuildFailed) as failure:
        toolset.find(made, BuildLog(lambda _line: None))
    assert "npm is not installed" in failure.value.what
    assert "apt install npm" in failure.value.fix
    program(tmp_path / "bin", "npm", "10")
    found = toolset.find(made, BuildLog(lambda _line: None))
    assert found.path_entries == [f"{tmp_path}/bin", "/app/node_modules/.bin"]


def test_php_is_served_by_the_php_fpm_of_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Toolchain("php", tmp_path / "bin/php", (99, 1, 0), tmp_path)
    monkeypatch.setattr(languages, "installed", lambda _tool: [one])
    made = Plan(
        ("php",),
        "PHP",
        pins=(Pin("php", "", "default"),),
        phases=(Phase("build"),),
        processes={"web": "bash .paas/serve-php"},
    )
    with pytest.raises(BuildFailed) as failure:
        toolset.find(made, BuildLog(lambda _line: None))
    assert "php-fpm" in failure.value.what
    program(tmp_path / "sbin", "php-fpm99.1", "")
    found = toolset.find(made, BuildLog(lambda _line: None))
    assert f"{tmp_path}/sbin/php-fpm99.1" in [mount.source for mount in found.mounts]


def test_the_servers_own_manager_counts_where_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managers, "system_path", lambda: str(tmp_path))
    program(tmp_path, "pnpm", "9.15.9")
    assert managers.own(Pin("pnpm", "9.x", "pnpm-lock.yaml")) is not None
    assert managers.own(Pin("pnpm", "9.1.0+sha512.ab", "packageManager")) is None
    (tmp_path / "yarn").symlink_to(program(tmp_path / "corepack", "yarn.js", "1.22.22"))
    assert managers.own(Pin("yarn", "1.x", "yarn.lock")) is None, "Corepack's is no manager"


def test_a_manager_must_be_the_one_that_was_proven(tmp_path: Path) -> None:
    (tmp_path / "pnpm-9.0.0.tgz").write_bytes(b"archive")
    proof = hashlib.sha256(b"archive").hexdigest()
    pin = Pin("pnpm", f"9.0.0+sha256.{proof}", "packageManager of package.json")
    managers.check_proof(tmp_path, pin, f"sha256.{proof}")
    with pytest.raises(BuildFailed) as failure:
        managers.check_proof(tmp_path, pin, "sha256.abcdef")
    assert "pnpm 9.0.0" in failure.value.what
    assert "corepack use pnpm@9.0.0" in failure.value.fix
