"""config:set, rollback, releases, builds: waiting, texts, exit codes."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

RELEASES = "/apps/hello/releases"


def _release(panel: FakePanel, version: int, status: str = "succeeded", **more: Any) -> Any:
    return {
        "id": f"00000000-0000-4000-8000-{version:012d}",
        "version": version,
        "status": status,
        "description": f"Deploy {version}",
        "current": False,
        "eligible_for_rollback": status == "succeeded",
        "output_stream_url": f"{panel.url}/streams/releases/{version}",
        "created_at": "2026-11-23T12:00:00Z",
        "user": {"email": "ada@example.org"},
        "failure": None,
        **more,
    }


def _setting(panel: FakePanel, *states: Any, stream: list[bytes] | None = None) -> None:
    panel.on(
        "PATCH /apps/hello/config-vars",
        Reply({"A": "1", "B": "2", "OLD": "x"}, headers={"Paas-Release": "10"}),
    )
    panel.on(f"GET {RELEASES}/10", *states)
    panel.on("GET /streams/releases/10", Reply(chunks=stream or []))


def test_config_set_waits_for_the_release(paas: Run, panel: FakePanel) -> None:
    _setting(panel, _release(panel, 10, "pending"), _release(panel, 10))
    result = paas("config:set", "A=1", "B=2", "-a", "hello")
    assert result.returncode == 0, result.stderr
    assert result.stderr == "Setting A, B and restarting hello... done, v10\n"
    assert result.stdout == "A: 1\nB: 2\n"
    assert panel.bodies("PATCH /apps/hello/config-vars") == [{"A": "1", "B": "2"}]
    assert "Authorization" not in panel.asked[2].headers  # the stream's address is its right


def test_config_set_shows_the_release_phase(paas: Run, panel: FakePanel) -> None:
    output = [b"migrating \x1b]0;evil\x07\n", b"\0", b"half ", b"done\n"]
    _setting(panel, _release(panel, 10, "pending"), _release(panel, 10), stream=output)
    result = paas("config:set", "A=1", "-a", "hello")
    assert "migrating ]0;evil\nhalf done\n" in result.stderr
    assert result.stderr.endswith("Setting A and restarting hello... done, v10\n")


def test_a_cut_stream_goes_on_where_it_stopped(paas: Run, panel: FakePanel) -> None:
    pending = _release(panel, 10, "pending")
    _setting(panel, pending, pending, _release(panel, 10))
    panel.on(
        "GET /streams/releases/10",
        Reply(chunks=[b"one\n", b"tw"], cut=True),
        Reply(chunks=[b"one\ntwo\n", b"three\n"]),
    )
    result = paas("config:set", "A=1", "-a", "hello")
    assert result.returncode == 0, result.stderr
    assert result.stderr.splitlines()[1:-1] == ["one", "two", "three"]


def test_a_failed_release_exits_1_with_its_reason(paas: Run, panel: FakePanel) -> None:
    failure = {"message": "web exited at once.", "hint": "See paas logs."}
    _setting(panel, _release(panel, 10, "pending"), _release(panel, 10, "failed", failure=failure))
    result = paas("config:set", "A=1", "-a", "hello")
    assert result.returncode == 1
    assert result.stdout == ""
    head, tail = result.stderr.splitlines()[-2:]
    assert head.endswith("Error: v10 failed: web exited at once.")
    assert tail.endswith("See paas logs.")


def test_nothing_changed_waits_for_nothing(paas: Run, panel: FakePanel) -> None:
    panel.on("PATCH /apps/hello/config-vars", {"A": "1"})
    result = paas("config:set", "A=1", "-a", "hello")
    assert result.returncode == 0
    assert "done, nothing changed" in result.stderr
    assert len(panel.asked) == 1


def test_config_unset_sends_null(paas: Run, panel: FakePanel) -> None:
    _setting(panel, _release(panel, 10))
    assert paas("config:unset", "A", "B", "-a", "hello").returncode == 0
    assert panel.bodies("PATCH /apps/hello/config-vars") == [{"A": None, "B": None}]


def test_a_value_may_hold_anything(paas: Run, panel: FakePanel) -> None:
    _setting(panel, _release(panel, 10))
    assert paas("config:set", "-a", "hello", "A=x=$(id)\n'\"; é").returncode == 0
    assert panel.bodies("PATCH /apps/hello/config-vars") == [{"A": "x=$(id)\n'\"; é"}]


def test_no_pair_is_a_usage_error(paas: Run, panel: FakePanel) -> None:
    for arguments in (["A"], ["=1"], []):
        assert paas("config:set", "-a", "hello", *arguments).returncode == 2
    assert not panel.asked


def test_config_get_of_what_is_not_set(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /apps/hello/config-vars", {"A": "1"})
    assert paas("config:get", "A", "-a", "hello").stdout == "1\n"
    assert paas("config:get", "B", "-a", "hello").returncode == 1


def _history(panel: FakePanel) -> list[Any]:
    found = [_release(panel, 11, current=True), _release(panel, 10, "failed")]
    found += [_release(panel, 9), _release(panel, 8)]
    panel.on(f"GET {RELEASES}", found)
    panel.on(f"GET {RELEASES}/v8", found[3])
    panel.on(f"POST {RELEASES}", Reply(_release(panel, 12, "pending"), 201))
    panel.on("GET /streams/releases/12", Reply(chunks=[]))
    panel.on(f"GET {RELEASES}/12", _release(panel, 12))
    return found


def test_rollback_goes_to_the_second_eligible(paas: Run, panel: FakePanel) -> None:
    found = _history(panel)
    result = paas("rollback", "-a", "hello")
    assert result.returncode == 0, result.stderr
    assert "Rolling back hello to v9... done, v12\n" in result.stderr
    assert "To undo, run: paas rollback v11" in result.stderr
    assert panel.bodies(f"POST {RELEASES}") == [{"release": found[2]["id"]}]


def test_rollback_to_a_version(paas: Run, panel: FakePanel) -> None:
    found = _history(panel)
    result = paas("rollback", "v8", "-a", "hello", "--json")
    assert json.loads(result.stdout)["version"] == 12
    assert panel.bodies(f"POST {RELEASES}") == [{"release": found[3]["id"]}]


def test_rollback_without_an_earlier_release(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {RELEASES}", [_release(panel, 1, current=True)])
    result = paas("rollback", "-a", "hello")
    assert result.returncode == 1
    assert "no earlier release" in result.stderr


def test_releases_say_what_failed_and_what_is_current(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {RELEASES}", [_release(panel, 2, "failed"), _release(panel, 1, current=True)])
    result = paas("releases", "-a", "hello")
    assert "v2  Deploy 2 (failed)  ada@example.org  2026/11/23 12:00:00 +0000" in result.stdout
    assert "Current: v1" in result.stdout


def test_release_output_is_plain_text(paas: Run, panel: FakePanel) -> None:
    panel.on(f"GET {RELEASES}/latest", _release(panel, 3))
    panel.on("GET /streams/releases/3", Reply(chunks=[b"-----> Starting\n       web\n"]))
    assert paas("releases:output", "-a", "hello").stdout == "-----> Starting\n       web\n"


def test_build_shows_plan_phases_and_artifact(paas: Run, panel: FakePanel) -> None:
    build = {
        "id": "1a2b3c4d-0000-4000-8000-000000000000",
        "status": "succeeded",
        "state": "succeeded",
        "release_version": 3,
        "source_blob": {"version": "c" * 40, "version_description": "Say hi\n\nlong"},
        "created_at": "2026-11-23T12:00:00Z",
        "plan": {
            "name": "Python",
            "pins": [{"tool": "python", "spec": "==3.11.*", "source": ".python-version"}],
            "processes": {"web": "gunicorn app:app"},
            "processes_from": "Procfile",
        },
        "phases": [{"name": "install", "seconds": 1.234}],
        "artifact": {"kind": "host", "digest": "sha256:abc"},
    }
    panel.on("GET /apps/hello/builds/latest", build)
    shown = paas("builds:info", "-a", "hello").stdout
    for expected in ("python ==3.11.*", "gunicorn app:app", "install  1.23 s", "host sha256:abc"):
        assert expected in shown
    assert json.loads(paas("builds:info", "-a", "hello", "--json").stdout) == build
    panel.on("GET /apps/hello/builds", [build])
    assert "1a2b3c4d  succeeded  v3  ccccccc  Say hi" in paas("builds", "-a", "hello").stdout


def test_only_what_is_shown_is_asked_for(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /apps/hello/releases", [_release(panel, 9), _release(panel, 8)])
    panel.on("GET /apps/hello/builds", [])
    paas("releases", "-n", "2", "-a", "hello")
    paas("builds", "-a", "hello")
    ranges = [one.headers.get("Range") for one in panel.asked]
    assert ranges == ["version ..; max=2, order=desc", "created_at ..; max=15, order=desc"]
