"""Caches that are another's: S3, SSH, HTTP and Attic, each with a server of the test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas.instance import Instance
from paas.launcher import nix as launcher
from paas.launcher.errors import LaunchError
from paas.nix import room
from paas.nix.cache import Cache
from paas.nix.cache_folder import Usage, key_of
from paas.nix.errors import CacheRefused, CacheUnreachable, NixFailed, NotSigned
from paas.nix.publish import publish
from paas.nix.store import Store
from paas.nix.sweep import sweep_store
from paas.nix.targets import target
from paas.runtimes.base import Artifact
from tests.nix import release
from tests.nix.conftest import NewStore
from tests.nix.remotes import S3, SSHD, s3_server, ssh_host, web_folder


@pytest.fixture
def built(store: Store, tmp_path: Path) -> Artifact:
    return release.make(store, tmp_path / "build")


def cache_at(instance: Instance, url: str) -> Cache:
    return Cache.of(instance, {"PAAS_NIX_CACHE": url})


def pull(new_store: NewStore, cache: Cache, url: str, path: str) -> Store:
    """Another machine gets the path from that URL, trusting the cache's key."""
    there = new_store("node", PAAS_NIX_SUBSTITUTERS=url, PAAS_NIX_TRUSTED_KEYS=cache.public_key)
    there.run("nix-store", "--realise", path)
    assert (there.physical(path) / "environment.json").is_file()
    return there


# --- which there are --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("gopher://x", "no cache that can be pushed to. Use s3://"),
        ("relative/folder", "no cache that can be pushed to"),
        ("s3://", "names no bucket"),
        ("s3://bucket/folder", "without a folder in it"),
        ("s3://AKIA:canary-71@bucket", "Take it out"),
        ("s3://AKIA@bucket", "without credentials"),
        ("s3://bucket?secret-key=/x", "Take it out"),
        ("s3://bucket?regoin=x", "says regoin=.* It may say region, endpoint"),
        ("https://user:canary-71@cache.example.com", "conf/netrc"),
        ("ssh-ng://user:canary-71@host", "Take it out"),
        ("ssh-ng://host:2222", "NIX_SSHOPTS=-p 2222"),
        ("ssh://host:nothing", "NIX_SSHOPTS"),
        ("attic:", "names no cache of Attic's"),
        ("attic:nothing", "attic:SERVER:CACHE"),
        ("attic:server:--help me", "attic:SERVER:CACHE"),
        ("attic:server:cache", "there is no `attic` in PATH"),
    ],
)
def test_what_cannot_be_the_cache_is_told_at_the_start(
    nix_instance: Instance, monkeypatch: pytest.MonkeyPatch, url: str, why: str
) -> None:
    with pytest.raises(CacheRefused, match=why) as caught:
        cache_at(nix_instance, url)
    assert "canary" not in str(caught.value)
    monkeypatch.setenv("PAAS_NIX_CACHE", url)
    with pytest.raises(LaunchError, match="PAAS_NIX_CACHE"):
        launcher.check_nix(nix_instance)


def test_nothing_is_asked_before_the_first_push(nix_instance: Instance, tmp_path: Path) -> None:
    for url in ("s3://b?region=eu-central-1", "ssh://host", "https://host/x", f"{tmp_path}/x"):
        assert target(nix_instance, Path("/no/key"), {"PAAS_NIX_CACHE": url}) is not None
    assert target(nix_instance, Path("/no/key"), {}) is None


# --- S3 -------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3_server() as found:
        yield found


@pytest.fixture
def s3(server: S3, nix_instance: Instance) -> S3:
    """Empty, and its keys where the administrator puts them."""
    server.authenticate(True)
    server.empty()
    credentials = nix_instance.home / "nix" / ".aws" / "credentials"
    credentials.parent.mkdir(parents=True, mode=0o700)
    credentials.write_text(_credentials("default", server.secret_key, server))
    return server


def _credentials(profile: str, secret: str, server: S3) -> str:
    keys = f"aws_access_key_id = {server.access_key}\naws_secret_access_key = {secret}\n"
    return f"[{profile}]\n{keys}"


def test_a_bucket_gets_what_it_lacks_and_nodes_get_it(
    nix_instance: Instance, new_store: NewStore, store: Store, built: Artifact,
    tmp_path: Path, s3: S3,
) -> None:  # fmt: skip
    cache = cache_at(nix_instance, s3.url)
    first = cache.push(store, [built.path])
    assert first is not None and first.paths == 3
    assert {f"{key_of(path)}.narinfo" for path in store.requisites([built.path])} < set(s3.keys())
    assert cache.push(store, [built.path]) == Usage(0, 0)
    changed = release.make(store, tmp_path / "build", {"public/index.html": "changed\n"})
    second = cache.push(store, [changed.path])
    assert second is not None and second.paths == 2 and second.size * 100 < first.size
    assert not list((nix_instance.cache / "nix-outgoing").iterdir()), "nothing is kept here"
    s3.publish()
    pull(new_store, cache, f"http://127.0.0.1:{s3.port}/{s3.bucket}", changed.path)


def test_what_went_from_a_bucket_is_pushed_again(
    nix_instance: Instance, store: Store, built: Artifact, s3: S3
) -> None:
    cache = cache_at(nix_instance, s3.url)
    cache.push(store, [built.path])
    s3.client().delete_object(Bucket=s3.bucket, Key=f"{key_of(built.path)}.narinfo")
    assert cache.push(store, [built.path]).paths == 1  # type: ignore[union-attr]


def test_a_profile_may_hold_the_keys(
    nix_instance: Instance, store: Store, built: Artifact, s3: S3
) -> None:
    credentials = nix_instance.home / "nix" / ".aws" / "credentials"
    credentials.write_text(_credentials("builds", s3.secret_key, s3))
    assert cache_at(nix_instance, f"{s3.url}&profile=builds").push(store, [built.path])
    with pytest.raises(CacheUnreachable, match="nobody"):
        cache_at(nix_instance, f"{s3.url}&profile=nobody").push(store, [built.path])


def test_the_environment_may_hold_the_keys(
    nix_instance: Instance,
    store: Store,
    built: Artifact,
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (nix_instance.home / "nix" / ".aws" / "credentials").unlink()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    assert cache_at(nix_instance, s3.url).push(store, [built.path])


@pytest.mark.parametrize(
    ("url", "secret", "why"),
    [
        ("s3://builds?endpoint=127.0.0.1:@&scheme=http", "canary-9417", "does not match the sig"),
        ("s3://elsewhere?endpoint=127.0.0.1:@&scheme=http", "", "bucket does not exist"),
        ("s3://builds?endpoint=127.0.0.1:1&scheme=http", "", "Could not connect"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_told(
    nix_instance: Instance,
    store: Store,
    built: Artifact,
    s3: S3,
    url: str,
    secret: str,
    why: str,
) -> None:
    credentials = nix_instance.home / "nix" / ".aws" / "credentials"
    credentials.write_text(_credentials("default", secret or s3.secret_key, s3))
    with pytest.raises(CacheUnreachable, match=why) as caught:
        cache_at(nix_instance, url.replace("@", str(s3.port))).push(store, [built.path])
    assert "aws/credentials" in str(caught.value)
    assert "canary" not in str(caught.value) and s3.secret_key not in str(caught.value)


def test_another_ones_cache_is_not_collected(
    nix_instance: Instance,
    store: Store,
    built: Artifact,
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAAS_NIX_CACHE", s3.url)
    monkeypatch.setenv("PAAS_NIX_STORE", str(store.config.directory))
    publish(nix_instance, store, "b1", [built.path])
    before = s3.keys()
    store.roots.remove("b1")
    sweep_store(nix_instance, every=0)
    found = room.collect(store, Cache.of(nix_instance), keep_outputs=False)
    assert found.cache is None
    assert not store.is_valid(built.path)
    assert s3.keys() == before


# --- SSH ------------------------------------------------------------------------------
@pytest.mark.skipif(SSHD is None, reason="needs openssh-server")
@pytest.mark.parametrize("scheme", ["ssh-ng", "ssh"])
def test_a_store_behind_ssh(
    nix_instance: Instance, new_store: NewStore, store: Store, built: Artifact,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str,
) -> None:  # fmt: skip
    there = new_store("there")
    conf = tmp_path / "there-conf"
    conf.mkdir()
    settings = "build-users-group =\nsubstituters =\ntrusted-public-keys = @\n"
    path = os.environ["PATH"]
    environment = {"NIX_REMOTE": there.config.remote, "NIX_CONF_DIR": str(conf), "PATH": path}
    with ssh_host(tmp_path / "ssh", environment) as host:
        monkeypatch.setenv("NIX_SSHOPTS", host.options)
        cache = cache_at(nix_instance, host.url(scheme))
        (conf / "nix.conf").write_text(settings.replace("@", "other:" + "A" * 43 + "="))
        if scheme == "ssh-ng":  # the older protocol's other end does not ask
            with pytest.raises(NotSigned):
                cache.push(store, [built.path])
        (conf / "nix.conf").write_text(settings.replace("@", cache.public_key))
        assert cache.push(store, [built.path]) is None
        assert there.requisites([built.path]) == store.requisites([built.path])
        assert (there.physical(built.path) / "environment.json").is_file()
        asked = host.commands.read_text()
        assert ("nix-daemon --stdio" if scheme == "ssh-ng" else "nix-store --serve") in asked
        stranger = host.url(scheme).replace("base64-ssh-public-host-key=", "x=")
        with pytest.raises(CacheUnreachable, match="by SSH: Host key verification failed"):
            cache_at(nix_instance, stranger).push(store, [built.path])


# --- HTTP -----------------------------------------------------------------------------
def test_a_web_server_that_takes_files(
    nix_instance: Instance, new_store: NewStore, store: Store, built: Artifact, tmp_path: Path
) -> None:
    with web_folder(tmp_path / "web") as url:
        cache = cache_at(nix_instance, url)
        assert cache.push(store, [built.path]) is None
        info = (tmp_path / "web" / f"{key_of(built.path)}.narinfo").read_text()
        assert "Sig: paas-ci:" in info and "Compression: zstd" in info
        pull(new_store, cache, url, built.path)


# --- Attic ----------------------------------------------------------------------------
_ATTIC = """#!/bin/sh
# Stands in for Attic's client: finds its login and the store as that does, and pushes to a folder.
grep -q "^\\[servers.$(echo "$2" | cut -d: -f1)\\]" "$HOME/.config/attic/config.toml" || {
  echo "Error: Server does not exist" >&2; exit 1; }
printf '%s\\n' "$@" > @FOLDER@/argv
shift 2
exec nix copy --to "file://@FOLDER@/cache" "$@"
"""


def test_attics_client_pushes(
    nix_instance: Instance,
    store: Store,
    built: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = tmp_path / "bin" / "attic"
    client.parent.mkdir()
    client.write_text(_ATTIC.replace("@FOLDER@", str(tmp_path)))
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
    config = nix_instance.home / "nix" / ".config" / "attic" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[servers.other]\nendpoint = "http://127.0.0.1:1"\ntoken = "canary"\n')
    cache = cache_at(nix_instance, "attic:ci:builds")
    with pytest.raises(NixFailed, match=r"attic push failed: .*Server does not exist"):
        cache.push(store, [built.path])
    config.write_text(config.read_text().replace("other", "ci"))
    assert cache.push(store, [built.path]) is None
    assert (tmp_path / "argv").read_text().split("\n")[:3] == ["push", "ci:builds", built.path]
    assert (tmp_path / "cache" / f"{key_of(built.path)}.narinfo").is_file()
