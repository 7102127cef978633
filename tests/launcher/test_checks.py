from __future__ import annotations

import dataclasses
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from paas import certificates, keys
from paas.instance import Instance
from paas.launcher import checks, health, tools
from paas.launcher.environment import apps_environment, parts_environment
from paas.launcher.errors import LaunchError


@pytest.mark.parametrize(
    ("field", "check", "variable"),
    [
        ("port", checks.check_port, "PAAS_PORT="),
        ("ssh_port", checks.check_ssh_port, "PAAS_SSH_PORT="),
    ],
)
def test_a_taken_port_names_its_holder_and_the_way_out(
    instance: Instance, field: str, check: Callable[[Instance], str], variable: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = dataclasses.replace(instance, **{field: server.getsockname()[1]})
        with pytest.raises(LaunchError) as refused:
            check(taken)
    assert f"process {os.getpid()}" in str(refused.value)
    assert variable in str(refused.value)
    assert check(taken)


def test_one_port_for_both_is_refused(instance: Instance) -> None:
    with pytest.raises(LaunchError, match="PAAS_SSH_PORT"):
        checks.check_ssh_port(dataclasses.replace(instance, ssh_port=instance.port))


def test_a_taken_rendezvous_port_is_told(instance: Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = dataclasses.replace(instance, rendezvous_port=server.getsockname()[1])
        said = checks.rendezvous_taken(taken)
    assert said and f"process {os.getpid()}" in said and "PAAS_RENDEZVOUS_PORT" in said
    assert checks.rendezvous_taken(taken) is None


def test_doctor_knows_the_gateway_from_others(instance: Instance) -> None:
    keys.ensure_keys(instance)
    certificates.ensure_authority(instance)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        threading.Thread(target=lambda: stranger.accept()[0].close(), daemon=True).start()
        assert str(port) in health.attachable(dataclasses.replace(instance, rendezvous_port=port))


@pytest.mark.parametrize("version", ["git version 2.30.9", "git version 1.8.3.1"])
def test_an_old_git_is_refused(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "git"
    git.write_text(f"#!/bin/sh\necho '{version}'\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match=r"2\.31"):
        checks.check_git()


def test_no_git_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="git was not found"):
        checks.check_git()


def test_a_full_disk_is_refused(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MINIMUM_FREE_MB", 10**12)
    with pytest.raises(LaunchError, match="PAAS_HOME"):
        checks.check_disk(instance)


def test_the_systems_redis_comes_before_the_bundled_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "valkey-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.redis_server() == own
    own.unlink()
    assert tools.redis_server() != own


def test_without_any_redis_the_text_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "_bundled_redis", lambda: None)
    with pytest.raises(LaunchError, match="PAAS_REDIS_URL"):
        tools.redis_server()


def test_parts_inherit_an_allow_list_only(instance: Instance) -> None:
    given = {
        "PATH": "/usr/bin",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "/elsewhere",
        "LANG": "C.UTF-8",
        "https_proxy": "http://proxy",
        "PAAS_DOMAIN": "example.org",
    }
    kept = parts_environment(instance, given)
    assert "canary" not in kept.values()
    assert not {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"} & kept.keys()
    assert (kept["LANG"], kept["https_proxy"]) == ("C.UTF-8", "http://proxy")
    assert kept["PAAS_HOME"] == str(instance.home)
    assert kept["PATH"].endswith(":/usr/bin")


def test_the_apps_tree_has_no_password(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://paas:canary@db/paas")
    monkeypatch.setenv("PAAS_REDIS_URL", "redis://:canary@redis/0")
    assert not any("canary" in value for value in apps_environment(instance).values())
    assert "canary" in parts_environment(instance)["DATABASE_URL"]


def test_keys_of_a_bucket_are_for_who_pushes_to_it(instance: Instance) -> None:
    given = {"AWS_SECRET_ACCESS_KEY": "canary", "PAAS_NIX_CACHE": "s3://builds"}
    assert parts_environment(instance, given)["AWS_SECRET_ACCESS_KEY"] == "canary"
    given["PAAS_NIX_CACHE"] = "ssh-ng://cache"
    assert "AWS_SECRET_ACCESS_KEY" not in parts_environment(instance, given)


def test_the_apps_tree_has_no_keys_of_a_bucket(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("PAAS_NIX_CACHE", "s3://builds")
    assert "canary" not in apps_environment(instance).values()
