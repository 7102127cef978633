"""What a node sees: the cache by Nix itself, images by skopeo, both through the real front door."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import User
from apps.accounts.policy import Actor
from apps.builds.models import Build, BuildState
from apps.catalog.manage import create_app
from apps.releases.create import Contents, create_release
from apps.releases.models import Release, ReleaseState
from paas.instance import InstanceError
from paas.nix import errors
from paas.nix.cache import Cache
from paas.nix.image import NoImage, Transport, read_image, reference, transport
from paas.nix.publish import publish
from paas.nix.store import Store
from paas.runtimes.base import Artifact
from tests.nix import release
from tests.nix.conftest import NewStore
from tests.nix.door import Door, front_door

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_cache")]


@pytest.fixture
def door(admin: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with front_door(admin) as door:
        monkeypatch.setenv("PAAS_NIX_STORE", str(door.store.config.directory))
        yield door


@pytest.fixture
def built(door: Door, tmp_path: Path) -> Artifact:
    return release.make(door.store, tmp_path / "build")


@pytest.fixture
def released(door: Door, alice: User, built: Artifact, tmp_path: Path) -> Build:
    """Two releases of an app of Alice's: the first host-built, the second and current by Nix."""
    app = create_app(Actor(alice), "hello")
    old = {"kind": "host", "path": "/nowhere", "digest": "x"}
    image = release.image_of(door.store, built, tmp_path)
    new = {"kind": "nix", "path": built.path, "digest": built.path, "image": image}
    for artifact in (old, new):
        build = Build.objects.create(
            app=app, user=alice, commit="c" * 40, branch="main", artifact=artifact,
            state=BuildState.SUCCEEDED,
        )  # fmt: skip
        made = create_release(
            app, alice, lambda newest, build=build: Contents(build, {}, "Deploy"), wait=0
        )
        Release.objects.filter(pk=made.pk).update(state=ReleaseState.SUCCEEDED)
    Release.objects.filter(pk=made.pk).update(current=True)
    publish(door.instance, door.store, str(build.id), [built.path, image])
    return build


# --- the cache ------------------------------------------------------------------------
def node(new_store: NewStore, door: Door, netrc: str) -> Store:
    store = new_store(
        "node",
        PAAS_NIX_SUBSTITUTERS=f"{door.url}/cache",
        PAAS_NIX_TRUSTED_KEYS=Cache.of(door.instance, {}).public_key,
    )
    store.prepare()
    (store.config.conf / "netrc").write_text(netrc)
    return store


def test_a_node_with_a_token_gets_a_build_over_http(
    new_store: NewStore, door: Door, built: Artifact
) -> None:
    publish(door.instance, door.store, "b1", [built.path])
    there = node(new_store, door, f"machine localhost login node-1 password {door.token}\n")
    there.run("nix-store", "--realise", built.path)
    assert there.requisites([built.path]) == door.store.requisites([built.path])
    assert there.run("nix", "store", "verify", "--recursive", built.path) == ""


@pytest.mark.parametrize("netrc", ["", "machine localhost login node-1 password paas_node_x\n"])
def test_nobody_else_does(new_store: NewStore, door: Door, built: Artifact, netrc: str) -> None:
    publish(door.instance, door.store, "b1", [built.path])
    there = node(new_store, door, netrc)
    with pytest.raises(errors.NixError):
        there.run("nix-store", "--realise", built.path)
    assert not there.physical(built.path).exists()


def test_files_of_the_cache_are_sent_whole(door: Door, built: Artifact) -> None:
    publish(door.instance, door.store, "b1", [built.path])
    folder = Cache.of(door.instance, {}).folder
    assert folder is not None
    for entry in folder.entries().values():
        name = f"cache/{entry.archive}"
        got = curl(door, name)
        assert got == (folder.root / entry.archive).read_bytes()
        head = curl(door, name, "--head").decode().lower()
        assert f"content-length: {entry.size}" in head and "200 ok" in head
        assert "content-type: application/x-nix-nar" in head and "x-accel" not in head
    assert b"404" in curl(door, "cache/.lock", "--head")
    assert b"404" in curl(door, "cache/../keys/nix_ci_key", "--head", "--path-as-is")


def curl(door: Door, path: str, *options: str) -> bytes:
    login = ("--user", f"node-1:{door.token}")
    argv = ["curl", "--silent", *login, *options, f"{door.url}/{path}"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


# --- images --------------------------------------------------------------------------
@pytest.fixture
def skopeo(tmp_path: Path) -> list[str]:
    if shutil.which("skopeo") is None:
        pytest.skip("needs skopeo")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    return ["skopeo", "--policy", str(policy), "--tmpdir", str(tmp_path)]


def ask(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_skopeo_inspects_and_copies(
    door: Door, released: Build, skopeo: list[str], tmp_path: Path
) -> None:
    host = f"docker://localhost:{door.instance.port}"
    archive = door.store.physical((released.artifact or {})["image"])
    expected = read_image(archive)
    creds = ["--tls-verify=false", "--creds", f"node-1:{door.token}"]
    for name in ("hello:v2", "hello:latest", f"hello:{released.id}", f"{released.app_id}:v2",
                 f"hello@{expected.manifest}"):  # fmt: skip
        done = ask([*skopeo, "inspect", *creds, f"{host}/{name}"])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Digest"] == expected.manifest
    listed = ask([*skopeo, "list-tags", *creds, f"{host}/hello"])
    assert json.loads(listed.stdout)["Tags"] == ["v2"]
    source = ["--src-tls-verify=false", "--src-creds", creds[2]]
    done = ask([*skopeo, "copy", *source, f"{host}/hello:v2", f"oci:{tmp_path}/copy:x"])
    assert done.returncode == 0, done.stderr
    blobs = {f"sha256:{file.name}" for file in (tmp_path / "copy/blobs/sha256").iterdir()}
    assert expected.blobs.keys() <= blobs


def test_skopeo_without_a_token_is_refused(door: Door, released: Build, skopeo: list[str]) -> None:
    name = f"docker://localhost:{door.instance.port}/hello:v2"
    for creds in (["--no-creds"], ["--creds", "node-1:paas_node_x"]):
        done = ask([*skopeo, "inspect", "--tls-verify=false", *creds, name])
        assert done.returncode != 0
        assert "unauthorized" in done.stderr.lower()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("v2/nobody/manifests/latest", "NAME_UNKNOWN"),
        ("v2/nobody/tags/list", "NAME_UNKNOWN"),
        ("v2/hello/manifests/v1", "MANIFEST_UNKNOWN"),  # the host builder's has none
        ("v2/hello/manifests/v99999999999", "MANIFEST_UNKNOWN"),
        ("v2/hello/manifests/sha256:0", "MANIFEST_UNKNOWN"),
        ("v2/hello/blobs/sha256:0", "BLOB_UNKNOWN"),
    ],
)
def test_what_is_not_there(door: Door, released: Build, path: str, code: str) -> None:
    answer = json.loads(curl(door, path))
    assert [one["code"] for one in answer["errors"]] == [code]


def test_what_is_collected_cannot_be_pulled(door: Door, released: Build) -> None:
    door.store.roots.remove(str(released.id))
    door.store.collect()
    answer = json.loads(curl(door, "v2/hello/manifests/v2"))
    assert answer["errors"][0]["code"] == "MANIFEST_UNKNOWN"


def test_an_archive_is_read(door: Door, built: Artifact, tmp_path: Path) -> None:
    path = release.image_of(door.store, built, tmp_path)
    image = read_image(door.store.physical(path))
    for digest, blob in image.blobs.items():
        assert digest == "sha256:" + hashlib.sha256(blob.content).hexdigest()
    manifest = json.loads(image.blobs[image.manifest].content)
    assert image.blobs[manifest["config"]["digest"]].kind.endswith("config.v1+json")
    how: Any = (door.instance, "the-id", path, door.store.physical(path))
    assert reference(Transport.NIX0, *how) == f"nix:0{path}"
    host = f"localhost:{door.instance.port}"
    assert reference(Transport.REGISTRY, *how) == f"{host}/the-id@{image.manifest}"


def test_what_is_no_archive(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("text", b"x" * 4096)):
        (tmp_path / name).write_bytes(content)
    for name in ("empty", "text", "missing"):
        with pytest.raises(NoImage, match=name):
            read_image(tmp_path / name)


def test_the_transport_is_chosen_by_name() -> None:
    assert transport({}) is Transport.NIX0
    assert transport({"PAAS_IMAGE_TRANSPORT": "registry"}) is Transport.REGISTRY
    with pytest.raises(InstanceError, match="Use nix0 or registry"):
        transport({"PAAS_IMAGE_TRANSPORT": "docker"})
