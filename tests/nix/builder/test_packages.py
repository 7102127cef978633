"""The package sets: one interface, versions, names, and the paths of what is added."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.packages import PackageSet
from apps.builds.builders.nix.paths import fixed_path, safe_name
from buildpacks.plan import Pin
from paas.nix.errors import NixFailed
from tests.nix.builder.conftest import CHECKOUT, Site

NIX = CHECKOUT / "nix"
_STUB = """{ system, config, overlays }:
let
  package = name: { inherit name; version = "1.2.3"; outPath = "/stub/${name}"; };
  names = [
    "bash" "bubblewrap" "busybox" "cacert" "caddy" "cargo" "coreutils" "gnumake" "go" "go_1_25" "jq"
    "nodejs_22" "php" "php83" "python3" "python312" "ruby" "ruby_3_3" "rustc" "tzdata" "uv" "zlib"
  ];
in
builtins.listToAttrs (map (name: { inherit name; value = package name; }) names)
// {
  stdenv.cc = { libc = package "glibc"; cc.lib = package "gcc-lib"; };
  phpPackages.composer = package "composer";
  runCommand = name: _: _: package name;
  symlinkJoin = { name, ... }: package name;
}
"""


@pytest.fixture
def debian(site: Site) -> PackageSet:
    return PackageSet(site.instance, site.store, "debian", NIX)


def evaluate(site: Site, expression: str) -> object:
    text = site.store.run("nix-instantiate", "--eval", "--strict", "--json", "--expr", expression)
    return json.loads(text)


def test_both_sets_have_one_interface(site: Site, tmp_path: Path) -> None:
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "default.nix").write_text(_STUB)
    of_debian = f"import {NIX}/packages/debian {{ }}"
    of_nixpkgs = f"import {NIX}/packages/nixpkgs {{ nixpkgs = {stub}; }}"
    common = {
        *("bash", "bubblewrap", "busybox", "cacert", "caddy", "coreutils", "find", "glibc", "go"),
        *("libraries", "listed", "name", "named", "php", "pip", "python", "ruby", "run", "system"),
        *("cc", "composer", "rust", "tzdata", "uv", "versions"),
    }
    for which in (of_debian, of_nixpkgs):
        assert common <= set(evaluate(site, f"builtins.attrNames ({which})"))  # type: ignore[call-overload]
    versions = evaluate(site, f"({of_nixpkgs}).versions")
    assert versions == {
        "go": {"go_1_25": "1.2.3"},
        "node": {"nodejs_22": "1.2.3"},
        "php": {"php83": "1.2.3"},
        "python": {"python312": "1.2.3"},
        "ruby": {"ruby_3_3": "1.2.3"},
        "rust": {"rust": "1.2.3"},
    }
    assert evaluate(site, f"({of_nixpkgs}).python312.outPath") == "/stub/python312"
    found = evaluate(
        site, f'map (n: ({of_nixpkgs}).find n == null) [ "jq" "stdenv.cc.cc.lib" "no" ]'
    )
    assert found == [False, False, True]
    assert evaluate(site, f'({of_debian}).find "no" == null && ({of_debian}).find "jq" != null')


def test_nixpkgs_that_is_not_pinned_says_so(site: Site, tmp_path: Path) -> None:
    shutil.copytree(NIX / "packages", tmp_path / "nix/packages")
    with pytest.raises(NixFailed, match="PAAS_NIX_PACKAGES=debian"):
        site.store.run("nix-instantiate", str(tmp_path / "nix/packages/nixpkgs"), "-A", "python")


def test_what_the_locks_hold() -> None:
    text = ""
    for name in ("debs", "wheels"):
        text += (NIX / f"packages/debian/{name}.lock.json").read_text()
        for entry in json.loads((NIX / f"packages/debian/{name}.lock.json").read_text()).values():
            assert len(entry["sha256"]) == 64 and entry["version"] and safe_name(entry["file"])
    assert "://" not in text


def test_the_newest_that_fits_is_chosen(debian: PackageSet) -> None:
    assert debian.choose(Pin("python", "", "default"))[0] == "python311"
    assert debian.choose(Pin("python", ">=3.9,<3.12", "requires-python"))[0] == "python311"
    assert debian.choose(Pin("python", "==3.11.*", ".python-version"))[0] == "python311"
    assert debian.choose(Pin("node", ">=18", "engines.node"))[0] == "nodejs_24"
    assert debian.choose(Pin("node", "22.x", "engines.node"))[0] == "nodejs_22"
    assert debian.choose(Pin("go", ">=1.19", "go.mod"))[0] == "go_1_27"


@pytest.mark.parametrize(
    ("pin", "nearest"),
    [
        (Pin("python", "3.11.99", ".python-version"), "3.11."),
        (Pin("python", "==3.14.*", ".python-version"), "3.11."),
        (Pin("node", "21.x", "engines.node"), "22."),
        (Pin("node", "23.x", "engines.node"), "24."),
        (Pin("ruby", "3.4.1", ".ruby-version"), "3.1."),
    ],
)
def test_the_nearest_is_named(debian: PackageSet, pin: Pin, nearest: str) -> None:
    with pytest.raises(BuildFailed) as failure:
        debian.choose(pin)
    assert f"Change {pin.source} to {nearest}" in failure.value.fix
    assert "package set `debian`" in failure.value.what


def test_what_is_no_version(debian: PackageSet) -> None:
    with pytest.raises(BuildFailed, match="is no Python version"):
        debian.choose(Pin("python", ">=x", "requires-python"))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
def test_a_path_is_known_beforehand(site: Site, tmp_path: Path, algorithm: str) -> None:
    file = tmp_path / "some-file_1.0+x.tgz"
    file.write_bytes(b"content")
    digest = hashlib.new(algorithm, b"content").hexdigest()
    assert site.store.add_fixed(algorithm, [file]) == [fixed_path(file.name, algorithm, digest)]


def test_a_second_lock_changes_nothing() -> None:
    """`relock` keeps what is offered; without the registries' answers, by its own rules."""
    wanted = json.loads((NIX / "packages/debian/wanted.json").read_text())
    debs = json.loads((NIX / "packages/debian/debs.lock.json").read_text())
    wheels = json.loads((NIX / "packages/debian/wheels.lock.json").read_text())
    assert set(wanted["debs"]) <= set(debs) and set(wanted["wheels"]) == set(wheels)
    assert all(set(entry["depends"]) <= set(debs) for entry in debs.values())
    assert not set(wanted["unneeded"]) & set(debs)
