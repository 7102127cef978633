"""What was built by Nix, on its way to nodes: a real instance, Nix and skopeo as the nodes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.sandbox import remove_tree
from tests.e2e.world import World, running
from tests.nix.stores import shared_store, unusable

pytestmark = [
    pytest.mark.skipif(bool(unusable()), reason=unusable() or "-"),
    pytest.mark.timeout(900),
]
APP = "cached"
CANARY = "canary-5b1d0e9f77"
FIRST = 600.0


@pytest.fixture(scope="module")
def nixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """v2 and v3 are releases of the Flask sample, with a secret in the app's config."""
    settings = {
        "PAAS_BUILDER": "nix",
        "PAAS_NIX_PACKAGES": "debian",
        "PAAS_NIX_STORE": str(shared_store(tmp_path_factory)),
    }
    with running(tmp_path_factory.mktemp("cached"), **settings) as world:
        app = world.repository("flask", APP)
        world.paas("create", APP, cwd=app)
        world.paas("config:set", f"CANARY={CANARY}", "-a", APP)
        said = world.git("push", "paas", "main", cwd=app, timeout=FIRST).stderr
        assert "to the cache" in said
        world.set_version(app, "two")
        world.git("push", "paas", "main", cwd=app)
        yield world


@pytest.fixture(scope="module")
def token(nixed: World) -> str:
    return nixed.paas("nodes:tokens:create", "node-1", "--short").stdout.strip()


@pytest.fixture
def node(nixed: World, token: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of Nix on another machine, which has the panel for a cache."""
    key = json.loads(nixed.paas("cache:info", "--json").stdout)["public_key"]
    (tmp_path / "nix.conf").write_text(
        f"substituters = {nixed.origin}/cache\ntrusted-public-keys = {key}\n"
        f"netrc-file = {tmp_path}/netrc\nmax-jobs = 0\nbuild-users-group =\n"
        "experimental-features = nix-command\n"
    )
    (tmp_path / "netrc").write_text(f"machine localhost login node-1 password {token}\n")
    yield {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NIX_CONF_DIR": str(tmp_path),
        "NIX_REMOTE": str(tmp_path / "store"),
    }
    remove_tree(tmp_path / "store")


def image(nixed: World) -> str:
    """The store path of the current image."""
    build = json.loads(nixed.paas("builds:info", "-a", APP, "--json").stdout)
    return str(build["artifact"]["image"])


def test_a_node_gets_all_of_it_and_no_secret(
    nixed: World, node: dict[str, str], tmp_path: Path
) -> None:
    path = image(nixed)
    done = subprocess.run(
        ["nix-store", "--realise", path], env=node, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "store" / path[1:]).is_file()
    # Unpacked, as it is compressed in the cache.
    for place in (tmp_path / "store", nixed.home / "cache"):
        found = subprocess.run(["grep", "-rlaF", CANARY, place], capture_output=True, text=True)
        assert found.stdout == ""
    assert CANARY in nixed.paas("run", "-a", APP, "--", "printenv", "CANARY").stdout


def test_nobody_gets_anything_without_a_token(nixed: World) -> None:
    mine = json.loads((nixed.home / "credentials.json").read_text())
    assert mine
    for path in ("/cache/nix-cache-info", "/v2/", f"/v2/{APP}/manifests/latest"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(nixed.origin + path)
        assert refused.value.code == 401
        assert refused.value.headers["WWW-Authenticate"] == 'Basic realm="paas"'


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_a_cluster_gets_the_image_from_the_registry(nixed: World, token: str) -> None:
    name = f"docker://{nixed.origin.partition('://')[2]}/{APP}:v3"
    inspect = ["skopeo", "inspect", "--tls-verify=false", "--creds", f"node-1:{token}"]
    shown, raw = (
        json.loads(subprocess.run([*inspect, *more, name], capture_output=True, check=True).stdout)
        for more in ([], ["--raw"])
    )
    assert shown["Labels"]["org.opencontainers.image.revision"]
    (layer,) = raw["layers"]
    assert layer["annotations"]["containerd.io/snapshot/nix-closure"].startswith("/nix/store/")


def test_what_differs_is_told(nixed: World) -> None:
    said = nixed.paas("builds:diff", "v2", "v3", "-a", APP).stdout
    rows = {line.split()[0] for line in said.splitlines() if line and not line.startswith("All")}
    assert "python3" not in rows and {"app", "release"} <= rows
    assert " new" in said.splitlines()[-1]


def test_an_admin_collects_and_revokes(nixed: World, token: str) -> None:
    before = json.loads(nixed.paas("cache:info", "--json").stdout)
    assert before["paths"] > 30 and before["kept_builds"] == 2
    said = nixed.paas("cache:gc").stderr
    assert "Collecting... done" in said
    assert json.loads(nixed.paas("cache:info", "--json").stdout)["paths"] == before["paths"]
    assert nixed.get(app=APP).status == 200
    assert "node-1" in nixed.paas("nodes:tokens").stdout
    nixed.paas("nodes:tokens:revoke", "node-1")
    login = f"node-1:{token}"
    argv = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-u", login]
    done = subprocess.run([*argv, f"{nixed.origin}/v2/"], capture_output=True, text=True)
    assert done.stdout == "401"
