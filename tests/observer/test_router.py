"""Router lines, from entries as Caddy writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.logs.lines import CLI_PATTERN, Message
from paas.observer import router
from paas.observer.access import AccessLog
from paas.observer.watch import View

TS = 1795475048.9246182


def entry(**fields: Any) -> dict[str, Any]:
    request = {
        "remote_ip": "127.0.0.1",
        "client_ip": "1.2.3.4",
        "proto": "HTTP/1.1",
        "method": "GET",
        "host": "Hello.localhost:8080",
        "uri": "/a?b=c",
    } | fields.pop("request", {})
    return {
        "level": "info",
        "ts": TS,
        "msg": "handled request",
        "request": request,
        "duration": 0.0123,
        "size": 5,
        "status": 200,
        "request_id": "5e67b3d2",
        "upstream": "127.0.0.1:5001",
    } | fields


def line(**fields: Any) -> str:
    parsed = router.parse(json.dumps(entry(**fields)).encode())
    assert parsed
    return router.message_of(parsed, "web.1").text


def test_a_request_looks_as_heroku_s() -> None:
    assert line() == (
        'at=info method=GET path="/a?b=c" host=Hello.localhost:8080 request_id=5e67b3d2 '
        'fwd="1.2.3.4" dyno=web.1 connect=0ms service=12ms status=200 bytes=5 protocol=http'
    )


def test_an_error_of_the_front_door_has_heroku_s_code_and_text() -> None:
    text = line(code="H12", status=504)
    assert text.startswith('at=error code=H12 desc="Request timeout" method=GET ')


def test_a_client_that_left_is_a_warning() -> None:
    start = 'sock=client at=warning code=H27 desc="Client Request Interrupted" method=GET '
    assert line(status=499).startswith(start)
    assert line(status=499, code="H27").startswith(start)


def test_tls_is_https() -> None:
    assert line(request={"tls": {"version": 772}}).endswith("protocol=https")


def test_host_and_port_are_found() -> None:
    parsed = router.parse(json.dumps(entry()).encode())
    assert parsed
    assert (parsed.host, parsed.port) == ("hello.localhost", 5001)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"request":{}}', b'{"ts":1e999}'])
def test_a_torn_entry_is_left_out(raw: bytes) -> None:
    assert router.parse(raw) is None


@given(st.text(), st.text(), st.text(), st.text())
def test_nothing_a_client_sends_forges_a_line_or_a_field(
    uri: str, host: str, method: str, address: str
) -> None:
    request = {"uri": uri, "host": host, "method": method, "client_ip": address}
    parsed = router.parse(json.dumps(entry(request=request)).encode())
    assert parsed
    message = router.message_of(parsed, "web.1")
    assert CLI_PATTERN.match(str(message))
    assert len(str(message).splitlines()) == 1
    assert message.text.count('"') == 4
    assert len(message.text) < 3000


def test_a_long_path_is_cut() -> None:
    assert 'path="/' + "x" * 999 + '…"' in line(request={"uri": "/" + "x" * 5000})


class Delivered(list[tuple[str, int, str]]):
    def __call__(self, app_id: str, number: int, message: Message) -> None:
        self.append((app_id, number, message.text))


def write(path: Path, *entries: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in entries)


KNOWING = View(taken=TS + 1, hosts={"hello.localhost": "a1"}, ports={5001: "web.1"})


def test_lines_go_to_the_app_of_their_host(tmp_path: Path) -> None:
    log, given_out = AccessLog(tmp_path / "access.log"), Delivered()
    write(tmp_path / "access.log", entry(), entry(request={"host": "other.localhost"}), entry())
    log.read()
    assert log.deal(KNOWING, given_out)
    assert [app_id for app_id, _, _ in given_out] == ["a1", "a1"]
    assert given_out[1][1] == given_out[0][1] + 2


def test_a_line_newer_than_the_view_waits_for_the_next_one(tmp_path: Path) -> None:
    log, given_out = AccessLog(tmp_path / "access.log"), Delivered()
    write(tmp_path / "access.log", entry())
    log.read()
    assert not log.deal(View(taken=TS - 1), given_out)
    assert not log.deal(View(taken=TS - 1, hosts=KNOWING.hosts), given_out)
    assert log.deal(KNOWING, given_out)
    assert len(given_out) == 1


def test_after_a_crash_lines_come_again_under_the_same_numbers(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    first, second = Delivered(), Delivered()
    log = AccessLog(path)
    write(path, entry())
    log.read()
    log.deal(KNOWING, Delivered())
    log.save()
    write(path, entry(status=201), entry(status=202))
    log.read()
    log.deal(KNOWING, first)  # killed before it saves
    again = AccessLog(path)
    write(path, entry(status=203))
    again.read()
    again.deal(KNOWING, second)
    assert second[:2] == first
    assert len(second) == 3


def test_a_half_written_entry_waits_for_its_end(tmp_path: Path) -> None:
    path, given_out = tmp_path / "access.log", Delivered()
    log = AccessLog(path)
    whole = json.dumps(entry()) + "\n"
    path.write_text(whole + whole[:50])
    log.read()
    log.deal(KNOWING, given_out)
    with path.open("a") as file:
        file.write(whole[50:])
    log.read()
    log.deal(KNOWING, given_out)
    assert len(given_out) == 2
