"""certs and its verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

CERTS = "/apps/hello/sni-endpoints"
DOMAINS = "/apps/hello/domains"
NAME = "cert-1a2b3c4d"


def _cert(**more: Any) -> dict[str, Any]:
    return {
        "id": "1a",
        "name": NAME,
        "domains": ["0a"],
        "ssl_cert": {
            "cert_domains": ["www.example.com", "example.com"],
            "issuer": "CN=Test CA",
            "is_self_signed": False,
            "starts_at": "2026-11-01T00:00:00Z",
            "expires_at": "2027-02-01T00:00:00Z",
        },
        **more,
    }


def _files(folder: Path) -> tuple[str, str]:
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text("chain")
    key.write_text("key")
    return str(chain), str(key)


def test_lists_them_with_their_end(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {CERTS}", [_cert()])
    *_, row = paas("certs", "-a", "hello").stdout.splitlines()
    assert row.split("  ")[:3] == [NAME, "www.example.com, example.com", "2027-02-01"]


def test_without_any_says_how_to_add_one(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {CERTS}", [])
    assert "paas certs:add" in paas("certs", "-a", "hello").stderr


def test_adds_and_shows_whom_it_serves(paas: Run, panel: FakePanel, tmp_path: Path) -> None:
    panel.on(f"POST {CERTS}", Reply(_cert(), 201))
    panel.on(f"GET {DOMAINS}", [{"id": "0a", "hostname": "www.example.com"}])
    result = paas("certs:add", *_files(tmp_path), "-a", "hello")
    assert "Adding SSL certificate to ⬢ hello... done" in result.stderr
    assert "www.example.com" in result.stdout and "2027-02-01" in result.stdout
    sent = {"certificate_chain": "chain", "private_key": "key"}
    assert panel.bodies(f"POST {CERTS}") == [sent]


def test_updates_and_removes(paas: Run, panel: FakePanel, tmp_path: Path) -> None:
    panel.on(f"PATCH {CERTS}/{NAME}", _cert())
    panel.on(f"GET {CERTS}/{NAME}", _cert(domains=[]))
    panel.on(f"DELETE {CERTS}/{NAME}", _cert())
    panel.on(f"GET {DOMAINS}", [])
    assert "done" in paas("certs:update", NAME, *_files(tmp_path), "-a", "hello").stderr
    assert "no domain" in paas("certs:info", NAME, "-a", "hello").stdout
    assert "done" in paas("certs:remove", NAME, "-a", "hello").stderr


def test_a_file_that_is_not_there_is_named(paas: Run, panel: FakePanel) -> None:
    result = paas("certs:add", "/no/chain.pem", "/no/key.pem", "-a", "hello")
    assert result.returncode == 1
    assert "/no/chain.pem cannot be read: No such file" in result.stderr
