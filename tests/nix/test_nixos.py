"""The NixOS modules and the flake: what they make of their options, evaluated by real Nix."""

from __future__ import annotations

import hashlib
import json
import netrc
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from paas.instance import current
from paas.launcher.parts import PARTS
from paas.nix.errors import NixFailed
from paas.nix.store import Store

PROJECT = Path(__file__).parents[2]
NIX = PROJECT / "nix"
Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def evaluate(store: Store) -> Evaluate:
    """`evaluate("paas", domain=…)`: what the module makes of these definitions."""

    def run(module: str, k3s: dict[str, object] | None = None, **definitions: object) -> Any:
        argv = ["--argstr", "definitions", json.dumps({"enable": True, **definitions})]
        if k3s is not None:
            argv += ["--argstr", "k3s", json.dumps(k3s)]
        file = str(NIX / "tests" / f"{module}.nix")
        text = store.run("nix-instantiate", "--eval", "--strict", "--json", file, *argv)
        return json.loads(text)

    return run


def environment(service: dict[str, Any]) -> dict[str, str]:
    """As the started program sees it: `%%` is systemd's way to write `%`, `%d` its credentials."""
    given = service["environment"]
    return {
        name: value.replace("%d", "/run/credentials").replace("%%", "%")
        for name, value in given.items()
    }


# --- services.paas ----------------------------------------------------------
def test_each_part_is_a_unit(evaluate: Evaluate) -> None:
    made = evaluate("paas", domain="apps.example.org")
    units = made["systemd"]["services"]
    assert units.keys() == {f"paas-{name}" for name in ("init", *PARTS)}
    for name, unit in units.items():
        service = unit["serviceConfig"]
        part = name.removeprefix("paas-")
        assert service["ExecStart"] == f"/nix/store/the-panel/bin/paas-panel {part}"
        assert (service["User"], service["StateDirectory"]) == ("paas", "paas")
        assert service["LoadCredential"] == ["kubeconfig:/etc/rancher/k3s/k3s.yaml"]
        if part != "init":
            assert unit["requires"] == unit["after"] == ["paas-init.service"]
            assert service["Restart"] == "always"
    init = units["paas-init"]
    assert (init["serviceConfig"]["Type"], init["serviceConfig"]["RemainAfterExit"]) == (
        "oneshot",
        True,
    )
    assert {"postgresql.target", "redis-paas.service"} <= set(init["requires"])
    assert made["systemd"]["tmpfiles"]["rules"] == ["d /run/paas 0700 paas paas - -"]
    assert all(one["assertion"] for one in made["assertions"])


def test_the_panel_understands_its_units(evaluate: Evaluate) -> None:
    options = {"domain": "apps.example.org", "tls": "proxy", "port": 80, "sshPort": 22}
    kubernetes = {"clusterIssuer": "letsencrypt", "nodeSelector": {"a": "b", "c": "d"}}
    made = evaluate("paas", kubernetes=kubernetes, settings={"PAAS_DRAIN_SECONDS": "9"}, **options)
    env = environment(made["systemd"]["services"]["paas-web"])
    here = current(env)
    assert (here.origin, here.ssh_port) == ("https://apps.example.org", 22)
    assert here.app_url("shop") == "https://shop.apps.example.org/"
    assert (str(here.home), str(here.run)) == ("/var/lib/paas", "/run/paas")
    assert env["PAAS_NODE_SELECTOR"] == "a=b,c=d" and env["PAAS_DRAIN_SECONDS"] == "9"
    assert env["DATABASE_URL"] == "postgres://paas@%2Frun%2Fpostgresql/paas"
    assert env["KUBECONFIG"] == "/run/credentials/kubeconfig"
    known = (PROJECT / "docs/operations.md").read_text() + (PROJECT / "README.md").read_text()
    known += (PROJECT / "docs/nix.md").read_text()
    assert [name for name in env if name.startswith("PAAS_") and f"`{name}`" not in known] == []


def test_units_have_no_more_rights_than_they_need(evaluate: Evaluate) -> None:
    made = evaluate("paas", domain="apps.example.org", port=80, httpsPort=443, tls="auto")
    units = {name: unit["serviceConfig"] for name, unit in made["systemd"]["services"].items()}
    for name, service in units.items():
        assert service["NoNewPrivileges"] and service["ProtectSystem"] == "strict", name
        assert service["ReadWritePaths"] == ["/run/paas"] and service["UMask"] == "0077"
        builds = name in ("paas-web", "paas-worker")
        # Sandboxes of builds are namespaces, and need a /proc that nothing is mounted upon.
        for right in ("RestrictNamespaces", "ProtectKernelTunables", "SystemCallFilter"):
            assert (right in service) is not builds, name
    low = {name for name, one in units.items() if one["CapabilityBoundingSet"]}
    assert low == {"paas-caddy"}
    assert units["paas-caddy"]["AmbientCapabilities"] == ["CAP_NET_BIND_SERVICE"]


def test_its_databases_are_reached_by_sockets(evaluate: Evaluate) -> None:
    made = evaluate("paas", domain="d")
    redis = made["services"]["redis"]["servers"]["paas"]
    env = environment(made["systemd"]["services"]["paas-worker"])
    assert env["PAAS_REDIS_URL"] == f"unix://{redis['unixSocket']}" and redis["port"] == 0
    assert made["users"]["users"]["paas"]["extraGroups"] == ["redis-paas"]
    assert made["services"]["postgresql"]["ensureDatabases"] == ["paas"]
    elsewhere = evaluate(
        "paas",
        domain="d",
        database={"createLocally": False},
        redis={"createLocally": False},
        environmentFile="/run/secrets/paas.env",
    )
    assert "services" not in elsewhere
    unit = elsewhere["systemd"]["services"]["paas-init"]
    assert unit["requires"] == [] and "DATABASE_URL" not in unit["environment"]
    assert unit["serviceConfig"]["EnvironmentFile"] == "/run/secrets/paas.env"


def test_apps_of_this_machine_are_one_unit(evaluate: Evaluate) -> None:
    made = evaluate("paas", domain="localhost", runtime="local")
    assert made["systemd"]["services"].keys() == {"paas"}
    service = made["systemd"]["services"]["paas"]["serviceConfig"]
    assert service["ExecStart"] == "/nix/store/the-panel/bin/paas-panel" and service["Delegate"]
    assert "users" not in made and "User" not in service
    assert "KUBECONFIG" not in made["systemd"]["services"]["paas"]["environment"]
    assert "map=paas" in made["services"]["postgresql"]["authentication"]


def test_the_firewall_is_opened_when_asked(evaluate: Evaluate) -> None:
    assert "networking" not in evaluate("paas", domain="d")
    opened = evaluate("paas", domain="d.org", openFirewall=True, tls="auto", port=80, httpsPort=443)
    assert opened["networking"]["firewall"]["allowedTCPPorts"] == [80, 2222, 5000, 443]
    behind = evaluate("paas", domain="d.org", openFirewall=True, tls="proxy")
    assert behind["networking"]["firewall"]["allowedTCPPorts"] == [8080, 2222, 5000]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"builder": "host"}, 'Set services.paas.builder = "nix"'),
        ({"tls": "auto", "domain": "localhost"}, "needs a domain that others can reach"),
        ({"redis": {"createLocally": False}}, "services.paas.environmentFile names the file"),
    ],
)
def test_what_does_not_fit_is_said(evaluate: Evaluate, options: dict[str, Any], says: str) -> None:
    made = evaluate("paas", **{"domain": "d", **options})
    (failed,) = [one["message"] for one in made["assertions"] if not one["assertion"]]
    assert says in failed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"port": 70000}, "services.paas.port|paas.port must be a port"),
        ({"tls": "yes"}, "paas.tls must be one of"),
        ({"nix": {"store": 5}}, "paas.nix.store must be a text or null"),
        ({"domian": "d"}, "unknown options: .*domian"),
    ],
)
def test_options_are_typed(evaluate: Evaluate, options: dict[str, Any], says: str) -> None:
    with pytest.raises(NixFailed, match=says):
        evaluate("paas", **{"domain": "d", **options})


# --- services.paas-k3s-node -------------------------------------------------
NODE = {
    "panel": "https://apps.example.org:8443/",
    "publicKey": "paas-ci:oSOGgEOVsVSlqkuDsmMcU3pM4oY0DlbrGtMx05LQhgE=",
    "tokenFile": "/var/lib/secrets/token",
}


def test_a_node_fetches_from_the_panel_and_believes_its_key(evaluate: Evaluate) -> None:
    made = evaluate("k3s-node", **NODE)
    settings = made["nix"]["settings"]
    assert settings["substituters"] == ["https://apps.example.org:8443/cache"]
    assert settings["trusted-public-keys"] == [NODE["publicKey"]]
    assert settings["netrc-file"] == "/run/paas-node/netrc"
    assert settings["narinfo-cache-negative-ttl"] == 0
    assert "post-build-hook" not in settings and "trusted-users" not in settings
    assert made["services"]["k3s"]["extraFlags"] == ["--snapshotter=nix"]
    k3s = made["systemd"]["services"]["k3s"]
    assert k3s["path"] == ["/nix/store/the-nix"]
    assert k3s["after"] == ["paas-node-credentials.service"]
    unit = made["systemd"]["services"]["paas-node-credentials"]
    assert unit["serviceConfig"]["LoadCredential"] == ["token:/var/lib/secrets/token"]
    assert "k3s.service" in unit["before"]


def test_a_node_s_ports(evaluate: Evaluate) -> None:
    agent = evaluate("k3s-node", openFirewall=True, **NODE)["networking"]["firewall"]
    assert (agent["allowedTCPPorts"], agent["allowedUDPPorts"]) == ([10250], [8472])
    closed = evaluate("k3s-node", **NODE)["networking"]["firewall"]
    assert (closed["allowedTCPPorts"], closed["allowedUDPPorts"]) == ([], [])
    assert closed["interfaces"]["cni0"]["allowedTCPPorts"] == [10250]
    server = evaluate("k3s-node", {"enable": True, "role": "server"}, openFirewall=True, **NODE)[
        "networking"
    ]["firewall"]
    assert {6443, 2379, 2380} <= set(server["allowedTCPPorts"])
    assert server["interfaces"]["cni0"]["allowedTCPPorts"] == [10250, 6443]
    without = evaluate("k3s-node", {"enable": False, "role": "server"}, **NODE)
    assert [one["assertion"] for one in without["assertions"]] == [False]


def test_a_wrong_key_or_address_is_refused(evaluate: Evaluate) -> None:
    for wrong in ({"publicKey": "other:abc="}, {"panel": "apps.example.org"}):
        with pytest.raises(NixFailed, match="must be a text like"):
            evaluate("k3s-node", **(NODE | wrong))


def write_credentials(folder: Path, token: str) -> subprocess.CompletedProcess[str]:
    (folder / "token").write_text(token + "\n")
    script = str(NIX / "modules/node-credentials.sh")
    where = [str(folder / "nix"), str(folder / "k3s")]
    return subprocess.run(
        ["sh", script, *where, "apps.example.org", "https://apps.example.org:8443", "node-1"],
        env={"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(folder)},
        capture_output=True,
        text=True,
    )


def test_the_token_reaches_nix_and_containerd(tmp_path: Path) -> None:
    for token in ("paas_node_old", "paas_node_Abc-1"):
        done = write_credentials(tmp_path, token)
        assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "nix" / "netrc"
    assert file.stat().st_mode & 0o077 == 0
    found = netrc.netrc(file).authenticators("apps.example.org")
    assert found is not None and (found[0], found[2]) == ("node-1", "paas_node_Abc-1")
    registries = tmp_path / "k3s" / "registries.yaml"
    assert registries.stat().st_mode & 0o077 == 0
    told = yaml.safe_load(registries.read_text())
    address = "apps.example.org:8443"
    assert told["mirrors"][address]["endpoint"] == ["https://apps.example.org:8443"]
    assert told["configs"][address]["auth"]["password"] == "paas_node_Abc-1"


@pytest.mark.parametrize("token", ["", 'x"\nevil: "y', "two words"])
def test_what_is_no_token_is_not_written(tmp_path: Path, token: str) -> None:
    done = write_credentials(tmp_path, token)
    assert done.returncode == 1 and "paas nodes:tokens:create node-1" in done.stderr
    assert not (tmp_path / "nix").exists()


# --- the flake --------------------------------------------------------------
def test_what_the_flake_offers(store: Store) -> None:
    file = str(NIX / "tests/flake.nix")
    made = json.loads(
        store.run("nix-instantiate", "--eval", "--read-write-mode", "--strict", "--json", file)
    )
    assert made["modules"].keys() == {"default", "k3s-node", "paas", "post-build-hook"}
    for paths in made["modules"].values():
        assert all(Path(path).is_file() for path in paths.split())
    for system in ("x86_64-linux", "aarch64-linux"):
        here = made["systems"][system]
        assert here["panel"]["pname"] == "paas-panel" and here["panel"]["version"]
        source = {path.name for path in store.physical(here["panel"]["source"]).iterdir()}
        assert {"manage.py", "nix", "paas", "templates"} <= source
        assert not {"tests", ".git", ".venv", "docs"} & source
        config = here["image"]["config"]
        assert config["User"] == "10001:10001" and "/stub/paas-panel" in here["image"]["contents"]
        dockerfile = (PROJECT / "Dockerfile").read_text()
        for variable in config["Env"]:
            if variable.startswith("PAAS_"):
                assert variable in dockerfile
        assert here["default"] == "/stub/paas-panel" and "caddy" in here["shell"]


def test_the_flake_is_pinned_by_a_full_revision(store: Store, tmp_path: Path) -> None:
    """`nix flake metadata` reads the lock, and would want the network if the flake said another."""
    (revision,) = re.findall(r'nixpkgs/([0-9a-f]{40})"', (NIX / "flake.nix").read_text())
    locked = json.loads((NIX / "flake.lock").read_text())["nodes"]["nixpkgs"]["locked"]
    assert locked["rev"] == revision and locked["narHash"].startswith("sha256-")
    for name in ("flake.nix", "flake.lock"):
        (tmp_path / name).write_bytes((NIX / name).read_bytes())
    text = store.run("nix", "flake", "metadata", "--json", f"path:{tmp_path}")
    assert revision in text


def test_the_wheels_are_those_of_the_lock() -> None:
    """Else the panel's package has other dependencies than the tests: run nix/panel/relock."""
    lock = json.loads((NIX / "panel/wheels.lock.json").read_text())
    found = hashlib.sha256((PROJECT / "requirements.lock").read_bytes()).hexdigest()
    assert lock["requirements"] == found
