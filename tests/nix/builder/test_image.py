"""The image in nix-snapshotter's format, read and run by real clients."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.builds.builders.base import Built, NixArtifact
from tests.nix.builder.conftest import SAMPLES, Site
from tests.nix.containerd import answer_of, containerd, import_image, missing


@pytest.fixture(scope="module")
def built(site: Site) -> Built:
    return site.build(SAMPLES / "flask")


@pytest.fixture(scope="module")
def archive(site: Site, built: Built) -> Path:
    assert isinstance(built.artifact, NixArtifact)
    return site.store.physical(built.artifact.image)


def blob(archive: Path, digest: str) -> bytes:
    with tarfile.open(archive) as tar:
        found = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
        assert found is not None
        return found.read()


def manifest(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as tar:
        found = tar.extractfile("index.json")
        assert found is not None
        (listed,) = json.loads(found.read())["manifests"]
    read: dict[str, Any] = json.loads(blob(archive, listed["digest"]))
    return {**read, "named": listed["annotations"]}


def test_it_mentions_all_that_must_be_mounted(site: Site, built: Built, archive: Path) -> None:
    assert isinstance(built.artifact, NixArtifact)
    (layer,) = manifest(archive)["layers"]
    notes = layer["annotations"]
    closure = site.closure(built)
    listed = [text for name, text in notes.items() if "/nix-store-path." in name]
    assert sorted(listed) == sorted(closure)
    info = site.store.physical(notes["containerd.io/snapshot/nix-closure"]) / "store-paths"
    assert info.read_text().split() == sorted(closure)
    # so that copying the image's path copies all of it
    assert set(closure) < set(site.store.requisites([built.artifact.image]))
    name = manifest(archive)["named"]["io.containerd.image.name"]
    assert name == f"nix:0{built.artifact.image}:latest"


def test_its_layer_holds_empty_mount_points(built: Built, archive: Path, tmp_path: Path) -> None:
    (layer,) = manifest(archive)["layers"]
    packed = tmp_path / "layer.tar.gz"
    packed.write_bytes(blob(archive, layer["digest"]))
    with tarfile.open(packed) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert members[built.artifact.path.lstrip("/")].isdir()
    assert all(member.size == 0 for member in members.values())
    assert members["app"].uid == 1000 and members["bin"].issym()
    assert packed.stat().st_size < 16 * 1024 and archive.stat().st_size < 64 * 1024


def test_its_configuration(built: Built, archive: Path) -> None:
    read = json.loads(blob(archive, manifest(archive)["config"]["digest"]))
    config = read["config"]
    assert config["Entrypoint"] == [f"{built.artifact.path}/bin/start"]
    assert config["Cmd"] == ["gunicorn --bind 0.0.0.0:$PORT app:app"]
    assert config["User"] == "1000:1000" and config["WorkingDir"] == "/app"
    assert config["Labels"]["org.opencontainers.image.revision"] == "c" * 40
    assert config["Labels"]["paas.plan"].startswith("sha256:")
    assert any(entry.startswith("PATH=/deps/python/bin:") for entry in config["Env"])


def test_the_newer_annotation_alone(site: Site) -> None:
    chosen = replace(site, settings=replace(site.settings, annotations="closure"))
    built = chosen.build(SAMPLES / "flask")
    assert isinstance(built.artifact, NixArtifact)
    (layer,) = manifest(site.store.physical(built.artifact.image))["layers"]
    assert list(layer["annotations"]) == ["containerd.io/snapshot/nix-closure"]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_reads_it(archive: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    skopeo = ["skopeo", "--policy", str(policy), "--tmpdir", str(tmp_path)]
    (tmp_path / "image.tar").write_bytes(archive.read_bytes())
    source = f"oci-archive:{tmp_path}/image.tar"
    said = subprocess.run([*skopeo, "inspect", source], capture_output=True, check=True).stdout
    assert json.loads(said)["Architecture"] == "amd64"
    subprocess.run([*skopeo, "copy", source, f"oci:{tmp_path}/copy:latest"], check=True)
    assert (tmp_path / "copy/index.json").is_file()


@pytest.mark.skipif(missing(), reason="needs containerd")
def test_containerd_runs_it(site: Site, built: Built, archive: Path) -> None:
    assert isinstance(built.artifact, NixArtifact)
    name = f"nix:0{built.artifact.image}:latest"
    (layer,) = manifest(archive)["layers"]
    paths = [text for key, text in layer["annotations"].items() if "/nix-store-path." in key]
    with containerd() as ctr:
        assert name in import_image(ctr, archive)
        closure = {path: site.store.physical(path) for path in paths}
        assert "flask one" in answer_of(ctr, name, closure)
