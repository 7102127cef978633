"""The protocol itself: who may come in, what is refused, what git shows then."""

from __future__ import annotations

import base64
import gzip
import json
import socket

import pytest

from tests.gateway.panel import ALICE, STRANGER, TOKENS, VIEWER, FakePanel
from tests.gateway.world import FrontDoor, Gateway, Person, wait_for

TOKEN = TOKENS[ALICE]

FETCH = "application/x-git-upload-pack-request"


@pytest.fixture
def door(front_door: FrontDoor) -> FrontDoor:
    return front_door


def login(token: str = TOKEN, user: str = "x") -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def call(
    gateway: Gateway, line: str, body: bytes = b"", /, **headers: str
) -> tuple[int, str, bytes]:
    """One raw request, as far as possible from git's own client: status, head, body."""
    fields = {"Connection": "close", "Authorization": login(), **headers}
    if body and "Transfer_Encoding" not in headers:
        fields["Content-Length"] = str(len(body))
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    answer = gateway.request(f"{line} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body)
    top, _, content = answer.partition(b"\r\n\r\n")
    return int(top.split(b" ")[1]), top.decode().lower(), content


# --- who --------------------------------------------------------------------
def test_without_a_token_git_is_asked_for_one(gateway: Gateway, panel: FakePanel) -> None:
    app = panel.create()
    before = len(panel.calls)
    line = f"GET /{app.name}.git/info/refs?service=git-upload-pack"
    status, head, body = call(gateway, line, Authorization="")
    assert status == 401
    assert 'www-authenticate: basic realm="paas"' in head
    assert b"paas auth:token" in body
    assert len(panel.calls) == before
    assert "server:" not in head


@pytest.mark.parametrize(
    "authorization", [login(), login(user="anybody"), login(user=""), f"Bearer {TOKEN}"]
)
def test_the_token_alone_counts(gateway: Gateway, panel: FakePanel, authorization: str) -> None:
    line = f"GET /{panel.create().name}.git/info/refs?service=git-receive-pack"
    assert call(gateway, line, Authorization=authorization)[0] == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff:\xfe").decode(),
        "Digest x",
        login(""),
    ],
)
def test_a_malformed_login_is_none(gateway: Gateway, panel: FakePanel, authorization: str) -> None:
    line = f"GET /{panel.create().name}.git/info/refs?service=git-receive-pack"
    assert call(gateway, line, Authorization=authorization)[0] == 401


def test_git_shows_why_a_token_fails(alice: Person, panel: FakePanel) -> None:
    alice.who = STRANGER
    alice.remote(panel.create()).commit()
    push = alice.push()
    assert push.returncode == 128
    assert "remote: This token is not valid." in push.stderr
    assert "Authentication failed" in push.stderr


def test_git_shows_how_to_make_the_app(alice: Person) -> None:
    alice.remote("no-such-app").commit()
    push = alice.push()
    assert push.returncode == 128
    assert "remote: To create it: paas create no-such-app" in push.stderr
    assert "not found" in push.stderr


def test_a_viewer_may_clone_and_not_push(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.who = VIEWER
    alice.remote(app).commit()
    push = alice.push()
    assert push.returncode == 128
    assert "remote: You may look at this app, not push to it." in push.stderr
    alice.git("clone", alice.clone_url(app), "copy")


def test_guessing_tokens_is_slowed_down_by_address(gateway: Gateway, panel: FakePanel) -> None:
    line = f"GET /{panel.create().name}.git/info/refs?service=git-upload-pack"
    by = "192.0.2.1, 198.51.100.7"
    statuses = [
        call(gateway, line, Authorization=login("wrong"), X_Forwarded_For=by)[0] for _ in range(25)
    ]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert call(gateway, line, X_Forwarded_For="198.51.100.7")[0] == 429
    assert call(gateway, line, X_Forwarded_For="198.51.100.7, 192.0.2.1")[0] == 200


# --- what -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /hello.git/info/refs", 403),
        ("GET /hello.git/info/refs?service=git-upload-archive", 403),
        ("GET /hello.git/info/refs?service=", 403),
        ("GET /hello.git/HEAD", 403),
        ("GET /hello.git/objects/info/packs", 403),
        ("POST /hello.git/git-upload-archive", 403),
        ("GET /hello.git/git-upload-pack", 405),
        ("POST /hello.git/info/refs?service=git-upload-pack", 405),
        ("POST /hello.git/git-upload-pack", 415),
        ("GET /hello", 404),
        ("GET /", 404),
        ("GET /../x.git/info/refs?service=git-upload-pack", 404),
        ("GET /..%2f..%2fx.git/info/refs?service=git-upload-pack", 404),
        ("GET /Hello.git/info/refs?service=git-upload-pack", 404),
        ("GET /--help.git/info/refs?service=git-upload-pack", 404),
        ("GET /$(x).git/info/refs?service=git-upload-pack", 404),
        ("GET /a%0a%00b.git/info/refs?service=git-upload-pack", 404),
        ("GET /a'b.git/info/refs?service=git-upload-pack", 404),
        (f"GET /{'a' * 31}.git/info/refs?service=git-upload-pack", 404),
    ],
)
def test_what_is_not_smart_git_is_refused(gateway: Gateway, line: str, status: int) -> None:
    assert call(gateway, line)[0] == status


def test_an_unknown_packing_of_the_body_is_refused(gateway: Gateway) -> None:
    line = "POST /hello.git/git-upload-pack"
    answer = call(gateway, line, b"x", Content_Type=FETCH, Content_Encoding="br")
    assert answer[0] == 415


def test_version_2_is_spoken(alice: Person, gateway: Gateway, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    assert alice.push().returncode == 0
    line = f"GET /{app.name}.git/info/refs?service=git-upload-pack"
    assert b"000eversion 2\n" in call(gateway, line, Git_Protocol="version=2")[2]
    assert b"# service=git-upload-pack\n" in call(gateway, line)[2]
    for version in ("0", "1", "2"):
        alice.git("-c", f"protocol.version={version}", "fetch", "paas")


@pytest.mark.parametrize("header", ["version=2\x01", "version=2 x", "a" * 200, ":", "=", "$(x)"])
def test_a_malformed_protocol_header_counts_as_none(
    gateway: Gateway, panel: FakePanel, header: str
) -> None:
    line = f"GET /{panel.create().name}.git/info/refs?service=git-upload-pack"
    status, _, body = call(gateway, line, Git_Protocol=header)
    assert status == 400 if "\x01" in header else b"# service=git-upload-pack\n" in body


# --- bodies -----------------------------------------------------------------
def list_refs() -> bytes:
    return b"0014command=ls-refs\n00010000"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_come_in_every_wrapping(
    alice: Person, gateway: Gateway, panel: FakePanel, packed: bool, chunked: bool
) -> None:
    app = panel.create()
    commit = alice.remote(app).commit()
    assert alice.push().returncode == 0
    body, headers = list_refs(), {"Content_Type": FETCH, "Git_Protocol": "version=2"}
    if packed:
        body, headers = gzip.compress(body), headers | {"Content_Encoding": "gzip"}
    if chunked:
        body = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
        headers |= {"Transfer_Encoding": "chunked"}
    line = f"POST /{app.name}.git/git-upload-pack"
    answer = call(gateway, line, body, **headers)[2]
    assert f"{commit} refs/heads/main".encode() in answer


BROKEN = gzip.compress(b"0000" * 99, mtime=0)[:-5]  # without a time, which would be in its name


@pytest.mark.parametrize("body", [b"no gzip", BROKEN, b"\x1f\x8b"])
def test_a_broken_gzip_body_is_refused(gateway: Gateway, panel: FakePanel, body: bytes) -> None:
    line = f"POST /{panel.create().name}.git/git-upload-pack"
    status, _, text = call(gateway, line, body, Content_Type=FETCH, Content_Encoding="gzip")
    assert status == 400
    assert b"not complete" in text


def test_a_client_that_expects_100_is_told_to_continue(gateway: Gateway, panel: FakePanel) -> None:
    line = f"POST /{panel.create().name}.git/git-upload-pack"
    head = (
        f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: {login()}\r\nContent-Type: {FETCH}\r\n"
        "Git-Protocol: version=2\r\nExpect: 100-continue\r\nContent-Length: 28\r\n\r\n"
    )
    with gateway.connect() as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(list_refs())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_a_wrong_login_is_refused_before_the_body(gateway: Gateway) -> None:
    head = (
        "POST /hello.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 9999999\r\n\r\n"
    )
    with gateway.connect() as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 401")


# --- the hook's socket ------------------------------------------------------
@pytest.mark.parametrize(
    "request_line",
    [b"", b"\n", b"[]\n", b"{}\n", b'{"token": "guessed", "updates": [], "environment": {}}\n'],
)
def test_the_hook_socket_answers_nobody_without_a_token(
    gateway: Gateway, request_line: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(gateway.instance.hook_socket))
        connection.sendall(request_line)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


def test_sockets_are_for_the_owner_alone(gateway: Gateway) -> None:
    for path in (gateway.instance.gateway_socket, gateway.instance.hook_socket):
        assert path.stat().st_mode & 0o777 == 0o600


def test_health_is_told(gateway: Gateway) -> None:
    assert call(gateway, "GET /healthz", Authorization="")[0] == 200


def test_the_panel_is_asked_for_the_right_service(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    alice.push()
    asked = [body for path, body in panel.calls if path == "access" and body["app"] == app.name]
    assert {body["service"] for body in asked} == {"git-receive-pack"}
    assert json.dumps(asked).count(TOKEN) == len(asked)
    wait_for(lambda: app.builds[0].delivered, "the end is reported")
