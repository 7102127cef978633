"""HTTPS by a real Caddy: which hosts get a certificate, and what is known of it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace

import pytest

from paas.instance import InstanceError, current
from paas.runtimes.base import AppSpec, Artifact
from paas.runtimes.local import LocalRuntime
from tests.runtimes import sample
from tests.runtimes.conformance import finish
from tests.runtimes.test_frontdoor import last_entry, serving
from tests.runtimes.world import PATIENCE, World, free_port

HOST = "www.example.com"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World(PAAS_TLS="internal", PAAS_HTTPS_PORT=str(free_port()), PAAS_HTTPS_REDIRECT="on")
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture(scope="module")
def site(world: World, build: Artifact) -> Iterator[AppSpec]:
    """An app that answers at HOST, too."""
    spec = sample.spec(build, app="site", app_number=77)
    spec = replace(spec, hosts=(*spec.hosts, HOST))
    finish(world.runtime().apply(spec, 1))
    yield spec
    world.runtime(stop_timeout=2).remove(spec.app_id, 1000)


def secure(world: World, host: str, path: str = "/") -> tuple[int, str]:
    """One request by HTTPS, with trust in Caddy's own root and nothing else."""
    root = world.instance.caddy_storage / "pki" / "authorities" / "local" / "root.crt"
    context = ssl.create_default_context(cafile=str(root))
    port = world.instance.tls.port
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        wrapped = stack.enter_context(context.wrap_socket(plain, server_hostname=host))
        connection = http.client.HTTPConnection(host, port)
        connection.sock = wrapped
        connection.request("GET", path, headers={"Host": f"{host}:{port}"})
        response = connection.getresponse()
        return response.status, response.read().decode()


def test_every_routed_host_has_a_certificate_at_the_first_visit(world, site) -> None:
    assert secure(world, HOST) == (200, "one web.1")
    assert secure(world, site.hosts[0]) == (200, "one web.1")


def test_a_host_without_a_route_gets_none(world, site) -> None:
    with pytest.raises(ssl.SSLError):
        secure(world, "other.example.com")
    runtime: LocalRuntime = world.runtime()
    hosts = (*site.hosts, "other.example.com")
    runtime.route(site.app_id, hosts, maintenance=False, routing=1)
    assert secure(world, "other.example.com")[0] == 200, "without a reload"
    runtime.route(site.app_id, site.hosts, maintenance=False, routing=2)
    assert secure(world, "other.example.com")[0] == 404, "the certificate is there, the route not"


@pytest.mark.parametrize("domain", ["", "..", "*", "?", "x/../site.localhost", "%2e%2e", "nobody"])
def test_permission_is_for_names_with_a_route_alone(world, site, domain) -> None:
    assert world.get("127.0.0.1", f"/internal/tls?domain={HOST}")[0] == 200
    assert world.get("127.0.0.1", f"/internal/tls?domain={domain}")[0] == 404


def test_the_panel_has_one(world) -> None:
    with serving(world.instance.web_socket):
        assert secure(world, "localhost")[0] == 200
        assert secure(world, "localhost", "/internal/x")[0] == 404


def test_the_app_knows_how_it_was_called(world, site) -> None:
    _, text = secure(world, HOST, "/headers")
    headers = dict(line.split(": ", 1) for line in text.splitlines() if line)
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["X-Forwarded-Port"] == str(world.instance.tls.port)
    assert last_entry(world, f"{HOST}:{world.instance.tls.port}")["request"]["tls"]


def test_http_goes_to_https_where_there_is_a_certificate(world, site) -> None:
    runtime = world.runtime()
    hosts = (*site.hosts, "plain.example.com")
    runtime.route(site.app_id, hosts, maintenance=False, routing=5)
    assert world.get("plain.example.com") == (200, "one web.1")
    assert secure(world, "plain.example.com")[0] == 200
    connection = http.client.HTTPConnection("127.0.0.1", world.instance.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", "/a?b=c", headers={"Host": "plain.example.com"})
        answer = connection.getresponse()
    target = f"https://plain.example.com:{world.instance.tls.port}/a?b=c"
    assert (answer.status, answer.headers["Location"]) == (308, target)
    assert "Strict-Transport-Security" not in answer.headers


def test_the_internal_cas_panel_stays_on_http(world) -> None:
    """git and `paas` do not trust its certificate."""
    with serving(world.instance.web_socket):
        assert secure(world, "localhost")[0] == 200
        assert world.get("localhost")[0] == 200
    assert world.instance.origin.startswith("http://")


class TestWhatIsKnown:
    def test_a_routed_host_gets_its_certificate(self, world, site) -> None:
        certificate = world.runtime().certificate(site.hosts[0])
        assert certificate.expires is not None and not certificate.problem

    def test_another_does_not(self, world, site) -> None:
        certificate = world.runtime().certificate("nobody.example.com")
        assert certificate.expires is None and certificate.problem

    def test_without_https_there_is_none(self, world) -> None:
        plain = LocalRuntime(current({"PAAS_HOME": str(world.root / "plain")}))
        assert "PAAS_TLS" in plain.certificate(HOST).problem


def test_what_a_public_ca_says_is_told(build: Artifact) -> None:
    """Nobody listens where the ACME directory should be."""
    nowhere = f"https://127.0.0.1:{free_port()}/directory"
    settings = {"PAAS_TLS": "auto", "PAAS_DOMAIN": "paas.test", "PAAS_ACME_CA": nowhere}
    world = World(PAAS_HTTPS_PORT=str(free_port()), **settings)
    try:
        world.start()
        spec = replace(sample.spec(build, app="acme", app_number=78), hosts=(HOST,))
        finish(world.runtime().apply(spec, 1))
        certificate = world.runtime().certificate(HOST)
        world.runtime(stop_timeout=2).remove(spec.app_id, 1000)
    finally:
        world.stop()
    assert certificate.expires is None
    assert nowhere in certificate.problem and "refused" in certificate.problem


class TestSettings:
    @pytest.mark.parametrize(
        ("environ", "why"),
        [
            ({"PAAS_TLS": "yes"}, "off, internal, auto or proxy"),
            ({"PAAS_TLS": "auto"}, "PAAS_DOMAIN"),
            ({"PAAS_TLS": "internal", "PAAS_HTTPS_PORT": "x"}, "no port"),
            ({"PAAS_HTTPS_REDIRECT": "maybe"}, "on or off"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, environ, why) -> None:
        with pytest.raises(InstanceError, match=why):
            current(environ)

    def test_addresses_are_https_where_all_trust_the_certificate(self) -> None:
        environ = {"PAAS_TLS": "auto", "PAAS_DOMAIN": "paas.test", "PAAS_HTTPS_PORT": "443"}
        here = current(environ)
        assert here.app_url("hello") == "https://hello.paas.test/"
        assert current({"PAAS_TLS": "internal"}).origin == "http://localhost:8080"
