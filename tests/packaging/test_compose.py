"""compose.yaml: what Compose itself says of it, and what must hold for each service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from paas.launcher.parts import PARTS
from tests.packaging import compose

IMAGE_FOLDERS = {"/var/lib/paas", "/var/lib/paas-nix", "/run/paas"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = compose.read({})["services"]
    return found


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is missing")
def test_compose_takes_it(services: dict[str, Any], tmp_path: Path) -> None:
    """`docker-compose config` checks it against Compose's schema and merges what is shared."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    argv = ["docker-compose", "--file", str(compose.FILE), "config"]
    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    understood = yaml.safe_load(done.stdout)["services"]
    assert understood.keys() == services.keys()
    for name, service in services.items():
        assert understood[name]["command"] == service["command"], name
        assert understood[name].get("security_opt") == service.get("security_opt"), name
        assert understood[name].get("environment", {}) == service.get("environment", {}), name


def test_each_part_is_a_service(services: dict[str, Any]) -> None:
    assert set(compose.PANEL) == set(PARTS)
    assert services.keys() == {"init", *PARTS, "postgres", "redis"}
    for part in PARTS:
        assert services[part]["command"] == ["python", "-m", "paas.launcher", part]
        assert services[part]["healthcheck"]["test"][-2:] == ["check", part]
        assert services[part]["restart"] == "unless-stopped"
        assert services[part]["depends_on"]["init"] == {
            "condition": "service_completed_successfully"
        }


def test_none_has_more_rights_than_it_needs(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "privileged" not in service and service["user"].split(":")[0] != "0", name
        assert "docker.sock" not in str(service), name
    loose = {name for name, one in services.items() if "seccomp=unconfined" in one["security_opt"]}
    assert loose == {"web", "worker"}
    for name in ("postgres", "redis"):
        assert services[name]["network_mode"] == "none"


def test_no_secret_stands_in_it(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            assert not variable.endswith(("PASSWORD", "SECRET", "TOKEN")), (name, variable)
            assert "@" not in value or ":" not in value.partition("://")[2].partition("@")[0], name


def test_what_may_stand_in_env_is_documented() -> None:
    asked = set(re.findall(r"\$\{(\w+)", compose.FILE.read_text()))
    pages = ("README.md", "docs/operations.md", "docs/nix.md")
    text = "".join((compose.PROJECT / page).read_text() for page in pages)
    assert {name for name in asked if f"`{name}" not in text} == set()
    assert {"PAAS_DOMAIN", "PAAS_TLS", "KUBECONFIG", "DATABASE_URL"} <= asked


def test_what_is_written_lies_in_volumes_of_the_image_s_user(services: dict[str, Any]) -> None:
    """The root is read-only; Docker gives a new volume the owner that the image says."""
    text = (compose.PROJECT / "Dockerfile").read_text()
    (user,) = {services[part]["user"] for part in PARTS}
    assert f"useradd --uid {user.split(':')[0]} " in text
    mounted = {mount.partition(":")[2] for mount in services["web"]["volumes"]}
    assert mounted >= IMAGE_FOLDERS | {"/tmp"}
    assert all(folder in text for folder in IMAGE_FOLDERS)
