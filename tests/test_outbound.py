"""Downloads for tenants: what is fetched, and what is never even asked."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from paas import outbound
from paas.outbound import OutboundError, download, is_public
from tests.files_server import Files, files_server


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    with files_server(tmp_path, monkeypatch) as found:
        yield found


def get(url: str, folder: Path, limit: int = 1000) -> bytes:
    download(url, folder / "got", limit=limit, check=lambda: None)
    return (folder / "got").read_bytes()


def refused(url: str, folder: Path, limit: int = 1000) -> str:
    with pytest.raises(OutboundError) as caught:
        get(url, folder, limit)
    return str(caught.value)


# --- addresses ------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:53aa:64c:0:0:80ff:fffe"),
    ],
)
def test_what_is_not_on_the_internet(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["151.101.1.1", "2606:4700::1111", "::ffff:151.101.1.1"])
def test_what_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.1", "2130706433"])
def test_the_machine_is_never_asked(host: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        assert "is not on the internet" in refused(f"https://{host}:{port}/x", tmp_path)
        with pytest.raises(TimeoutError):
            server.accept()


def test_one_private_address_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", ("151.101.1.1", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_, **__: both)
    said = refused("https://rebinding.test/x", tmp_path)
    assert said == "rebinding.test is not on the internet"


# --- answers --------------------------------------------------------------------------
def test_a_file_comes_whole(files: Files, tmp_path: Path) -> None:
    assert get(files.put("/a?b=c", b"content"), tmp_path) == b"content"
    files.put("/moved", b"", 302, Location="/a?b=c")
    assert get(files.url("/moved"), tmp_path) == b"content"


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://files.test/x", "only https://"),
        ("https://127.0.0.2:1/x", "127.0.0.2 is not on the internet"),
        ("https://user:pass@files.test/x", "only https://"),
        ("file:///etc/passwd", "only https://"),
        ("/moved", "more than 5 times"),
    ],
)
def test_redirects_are_looked_at(files: Files, tmp_path: Path, location: str, why: str) -> None:
    files.put("/moved", b"", 301, Location=location)
    assert why in refused(files.url("/moved"), tmp_path)


def test_what_is_not_as_it_should_be(files: Files, tmp_path: Path) -> None:
    assert "answers 404" in refused(files.url("/nothing"), tmp_path)
    assert "larger than" in refused(files.put("/large", b"x" * 2000), tmp_path)
    files.put("/cut", b"half", Content_Length="900")
    assert "cut off" in refused(files.url("/cut"), tmp_path)
    wrong = files.url("/x", host="127.0.0.1")
    assert "certificate verify failed" in refused(wrong, tmp_path)
    assert "is not known" in refused("https://nobody.invalid/x", tmp_path)
    assert "does not answer" in refused("https://files.test:1/x", tmp_path)


def test_it_can_be_given_up(files: Files, tmp_path: Path) -> None:
    url = files.put("/a", b"content")

    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(url, tmp_path / "got", limit=100, check=check)
