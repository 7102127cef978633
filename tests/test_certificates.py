"""The instance's authority: what it signs, for which names, and for how long."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from paas import certificates
from paas.certificates import ensure_authority, issue
from paas.instance import Instance
from paas.keys import KeysError, ensure_keys


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    made = Instance(tmp_path / "home", tmp_path / "run", 8080, 2222, "127.0.0.1", "paas.example")
    made.run.mkdir()
    ensure_keys(made)
    ensure_authority(made)
    return made


@pytest.fixture
def port(instance: Instance) -> Iterator[int]:
    """A TLS server with the instance's certificate; each connection is closed after its hello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issue(instance))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(plain, server_side=True).close()
            except OSError:
                plain.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def handshake(instance: Instance, port: int, name: str) -> None:
    context = ssl.create_default_context(cafile=str(instance.authority))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        context.wrap_socket(plain, server_hostname=name).close()


@pytest.mark.parametrize("name", ["localhost", "paas.example", "127.0.0.1", "::1"])
def test_clients_that_trust_the_authority_know_the_instance(instance, port, name):
    handshake(instance, port, name)


def test_other_names_are_refused(instance, port):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(instance, port, "example.org")


def test_the_authority_can_sign_for_no_other_name(instance):
    """Whoever stole its key could not pass for a bank to those who trust it."""
    elsewhere = replace(instance, domain="bank.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issue(elsewhere))
    ours, theirs = socket.socketpair()
    client = ssl.create_default_context(cafile=str(instance.authority))

    def serve() -> None:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(theirs, server_side=True)
        theirs.close()

    server = threading.Thread(target=serve)
    server.start()
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        client.wrap_socket(ours, server_hostname="bank.example")
    ours.close()
    server.join()


def test_secrets_are_for_their_owner_only(instance):
    assert issue(instance).stat().st_mode & 0o777 == 0o600
    assert (instance.keys / "ca_key").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in instance.authority.read_bytes()


def test_an_authority_that_is_good_stays(instance):
    before = instance.authority.read_bytes()
    ensure_authority(instance)
    assert instance.authority.read_bytes() == before


def test_an_authority_that_runs_out_is_signed_anew(instance, port, monkeypatch):
    """With the same key: who trusts the new one knows certificates of the old one, too."""
    monkeypatch.setattr(certificates, "AUTHORITY_LIFE", timedelta(days=300))
    instance.authority.unlink()
    ensure_authority(instance)
    monkeypatch.undo()
    ensure_authority(instance)
    left = _certificate(instance).not_valid_after_utc - datetime.now(UTC)
    assert left > timedelta(days=3000)
    handshake(instance, port, "localhost")


def test_another_domain_makes_another_authority(instance):
    moved = replace(instance, domain="other.example", bind="192.0.2.7")
    ensure_authority(moved)
    permitted = _certificate(instance).extensions.get_extension_for_class(x509.NameConstraints)
    names = {str(name.value) for name in permitted.value.permitted_subtrees or ()}
    assert names == {"localhost", "other.example", "127.0.0.1/32", "::1/128", "192.0.2.7/32"}


def test_an_address_as_domain(instance):
    """A host on the home network without a name; and one that listens everywhere."""
    bare = replace(instance, domain="192.0.2.7", bind="0.0.0.0")
    ensure_authority(bare)
    leaf = x509.load_pem_x509_certificates(issue(bare).read_bytes())[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert "192.0.2.7" in {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}


def test_without_its_key_there_is_none(instance):
    (instance.keys / "ca_key").unlink()
    with pytest.raises(KeysError):
        issue(instance)


def _certificate(instance: Instance) -> x509.Certificate:
    return x509.load_pem_x509_certificate(instance.authority.read_bytes())
