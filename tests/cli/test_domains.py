"""domains and its verbs."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

DOMAINS = "/apps/hello/domains"
HOST = "www.example.com"


def _domain(status: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {
        "id": "0a",
        "hostname": HOST,
        "kind": "custom",
        "cname": "hello.localhost",
        "status": status,
        "acm_status": None,
        "acm_status_reason": None,
        "created_at": "2026-11-23T12:00:00Z",
        **more,
    }


OWN = _domain("none", hostname="hello.localhost", kind="heroku", cname=None)


def test_lists_names_with_their_state(paas: Run, panel: FakePanel) -> None:
    failing = _domain(acm_status="failing", acm_status_reason="not in the DNS yet.")
    panel.on(f"GET {DOMAINS}", [OWN, failing])
    own, custom = paas("domains", "-a", "hello").stdout.split("=== hello Custom Domains")
    assert "hello.localhost" in own and HOST not in own
    row = next(line for line in custom.splitlines() if line.startswith(HOST))
    assert row.split("  ")[1:] == [
        "hello.localhost",
        "succeeded",
        "failing: not in the DNS yet.",
    ]


def test_without_any_says_how_to_add_one(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {DOMAINS}", [OWN])
    assert "paas domains:add" in paas("domains", "-a", "hello").stderr


def test_adds_and_says_where_to_point(paas: Run, panel: FakePanel) -> None:
    panel.on(f"POST {DOMAINS}", Reply(_domain(), 201))
    result = paas("domains:add", HOST, "-a", "hello")
    assert f"Adding {HOST} to ⬢ hello... done" in result.stderr
    assert "point to the DNS Target hello.localhost" in result.stdout
    assert panel.bodies(f"POST {DOMAINS}") == [{"hostname": HOST}]


def test_waits_until_it_is_routed(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {DOMAINS}", [OWN, _domain("pending")])
    panel.on(f"GET {DOMAINS}/0a", _domain("pending"), _domain("pending"), _domain())
    result = paas("domains:wait", "-a", "hello")
    assert result.returncode == 0, result.stderr
    assert f"Waiting for {HOST}... done" in result.stderr


def test_removes_one_or_all(paas: Run, panel: FakePanel) -> None:
    panel.on(f"DELETE {DOMAINS}/{HOST}", _domain())
    panel.on(f"DELETE {DOMAINS}", [_domain()])
    assert (
        f"Removing {HOST} from ⬢ hello... done"
        in paas("domains:remove", HOST, "-a", "hello").stderr
    )
    assert (
        "Removing all domains from ⬢ hello... done" in paas("domains:clear", "-a", "hello").stderr
    )


def test_shows_one(paas: Run, panel: FakePanel) -> None:
    issued = _domain(acm_status="cert issued", acm_status_reason="Valid until 2027-02-01.")
    panel.on(f"GET {DOMAINS}/{HOST}", issued)
    shown = paas("domains:info", HOST, "-a", "hello").stdout
    assert "cert issued" in shown and "Valid until 2027-02-01." in shown
