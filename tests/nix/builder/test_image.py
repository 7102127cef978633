"""The image in nix-snapshotter's format, read and run by real clients."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.builds.builders.base import Built, NixArtifact
from tests.e2e.world import free_port
from tests.nix.builder.conftest import SAMPLES, Site

_NAMESPACE = "k8s.io"


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


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[list[str]]:
    """Debian's containerd with everything of it in one folder; the start of a `ctr` command."""
    if shutil.which("containerd") is None or shutil.which("ctr") is None:
        pytest.skip("needs containerd")
    short = Path("/tmp") / f"ctd-{tmp_path.name[-20:]}-{free_port()}"
    short.mkdir(mode=0o700)
    config = short / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{short}/root"\nstate = "{short}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{short}/sock"\n'
    )
    process = subprocess.Popen(
        ["containerd", "--config", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=(short / "log").open("wb"),
    )
    try:
        deadline = time.monotonic() + 30
        while (
            not (short / "sock").exists()
            or b"successfully booted" not in (short / "log").read_bytes()
        ):
            assert process.poll() is None and time.monotonic() < deadline, (
                short / "log"
            ).read_text()
            time.sleep(0.05)
        yield ["ctr", "--address", f"{short}/sock", "--namespace", _NAMESPACE]
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(short, ignore_errors=True)


def test_containerd_runs_it(site: Site, built: Built, archive: Path, containerd: list[str]) -> None:
    """With the snapshotter's mounts made by hand, as its annotations tell."""
    assert isinstance(built.artifact, NixArtifact)
    subprocess.run([*containerd, "images", "import", str(archive)], check=True, capture_output=True)
    name = f"nix:0{built.artifact.image}:latest"
    listed = subprocess.run([*containerd, "images", "ls", "-q"], capture_output=True, text=True)
    assert name in listed.stdout.split()
    (layer,) = manifest(archive)["layers"]
    paths = [text for key, text in layer["annotations"].items() if "/nix-store-path." in key]
    port = free_port()
    mounts = [
        word
        for path in paths
        for word in (
            "--mount",
            f"type=bind,src={site.store.physical(path)},dst={path},options=rbind:ro",
        )
    ]
    task = f"test-{port}"
    process = subprocess.Popen(
        [*containerd, "run", "--net-host", "--env", f"PORT={port}", *mounts, name, task],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert "flask one" in answer(port, process)
    finally:
        subprocess.run([*containerd, "tasks", "kill", "-s", "SIGKILL", task], capture_output=True)
        process.wait(30)
        subprocess.run([*containerd, "containers", "rm", task], capture_output=True)


def answer(port: int, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stdout is not None
            raise AssertionError(process.stdout.read().decode())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as page:
                return str(page.read().decode())
        except OSError:
            time.sleep(0.1)
    raise AssertionError("nothing answered")
