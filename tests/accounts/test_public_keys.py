"""The grammar of public keys, against keys that ssh-keygen itself makes."""

from __future__ import annotations

import base64
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.errors import Refused
from apps.accounts.public_keys import parse


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _line(*fields: bytes) -> str:
    """A key of these fields, the first of which is its kind."""
    blob = base64.b64encode(b"".join(map(_string, fields))).decode()
    return f"{fields[0].decode()} {blob}"


POINT = bytes.fromhex(  # a point of P-256 (the generator)
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
ED25519 = _line(b"ssh-ed25519", bytes(range(32)))
SECURITY_KEYS = {
    "sk-ssh-ed25519@openssh.com": _line(b"sk-ssh-ed25519@openssh.com", bytes(range(32)), b"ssh:"),
    "sk-ecdsa-sha2-nistp256@openssh.com": _line(
        b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", POINT, b"ssh:"
    ),
}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory):
    """`make("-t", "rsa")` is the line of a fresh key, and its fingerprint by ssh-keygen."""
    folder = tmp_path_factory.mktemp("keys")

    def made(*options: str) -> tuple[str, str]:
        path = folder / "-".join(option.strip("-") for option in options)
        command = ["ssh-keygen", "-q", "-N", "", "-C", "alice@laptop", "-f", path, *options]
        subprocess.run(command, check=True)
        return _public(path), _fingerprint(path)

    return made


def _public(path: Path) -> str:
    return path.with_name(f"{path.name}.pub").read_text()


def _fingerprint(path: Path) -> str:
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-E", "sha256", "-f", path], capture_output=True, text=True, check=True
    )
    return shown.stdout.split()[1]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("-t", "ed25519"), "ssh-ed25519"),
        (("-t", "ecdsa", "-b", "256"), "ecdsa-sha2-nistp256"),
        (("-t", "ecdsa", "-b", "384"), "ecdsa-sha2-nistp384"),
        (("-t", "ecdsa", "-b", "521"), "ecdsa-sha2-nistp521"),
        (("-t", "rsa", "-b", "2048"), "ssh-rsa"),
    ],
)
def test_what_ssh_keygen_makes_is_accepted(make, options, kind) -> None:
    line, fingerprint = make(*options)
    key = parse(line)
    assert (key.kind, key.comment, key.fingerprint) == (kind, "alice@laptop", fingerprint)
    assert line == f"{key.text} alice@laptop\n"


@pytest.mark.parametrize("kind", SECURITY_KEYS)
def test_keys_in_hardware_are_accepted(kind: str) -> None:
    assert parse(SECURITY_KEYS[kind]).kind == kind


def test_a_key_needs_no_comment_and_may_have_words_in_it() -> None:
    assert parse(f"  {ED25519}\r\n").comment == ""
    assert parse(f"{ED25519} my old laptop").comment == "my old laptop"


@pytest.mark.parametrize("bits", ["1024", "2047"])
def test_a_short_rsa_key_is_refused(make, bits: str) -> None:
    line, _ = make("-t", "rsa", "-b", bits)
    with pytest.raises(Refused, match=f"{bits} bits.*2048"):
        parse(line)


def test_a_private_key_is_refused_in_clear_words(make, tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    with pytest.raises(Refused, match=r"private key.*never leave its machine"):
        parse(path.read_text())


def test_a_certificate_is_refused(tmp_path: Path) -> None:
    for name in ("ca", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name]
        subprocess.run(command, check=True)
    signing = ["ssh-keygen", "-q", "-s", tmp_path / "ca", "-I", "x", tmp_path / "key.pub"]
    subprocess.run(signing, check=True)
    with pytest.raises(Refused, match="Certificates"):
        parse((tmp_path / "key-cert.pub").read_text())


BLOB = ED25519.split(" ")[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no public SSH key"),
        ("hello", "no public SSH key"),
        (_line(b"ssh-dss", b"1", b"2", b"3", b"4"), "DSA keys are too weak"),
        (_line(b"ssh-ed448", b"x" * 57), "not accepted"),
        (f'command="id" {ED25519}', "without options"),
        (f"no-pty,{ED25519}", "without options"),
        (f"{ED25519}\n{ED25519}", "more than one line"),
        (f"{ED25519}\vcommand", "more than one line"),
        (f"{ED25519} a\x1b[2Jb", "no public SSH key"),
        (f"{ED25519} a\u202eb", "no public SSH key"),
        (f"ssh-ed25519 {'A' * 20_000}", "no public SSH key"),
        ("ssh-ed25519", "damaged"),
        ("ssh-ed25519 !!!", "damaged"),
        ("ssh-ed25519 Größe", "damaged"),
        (f"ssh-ed25519 {BLOB[:-4]}", "damaged"),
        (f"ssh-ed25519 {BLOB}AAAA", "damaged"),
        (f"ssh-rsa {BLOB}", "damaged"),
        (f"ecdsa-sha2-nistp256 {BLOB}", "damaged"),
        (_line(b"ssh-ed25519", bytes(31)), "damaged"),
        (_line(b"ssh-ed25519", bytes(32), b"more"), "damaged"),
        (_line(b"ecdsa-sha2-nistp256", b"nistp256", b"\4" + bytes(64)), "damaged"),
        (_line(b"ecdsa-sha2-nistp256", b"nistp384", POINT), "damaged"),
        (_line(b"ssh-rsa", b"\3"), "damaged"),
        (_line(b"ssh-rsa", b"\1\0\1", b"\xff" * 256), "damaged"),  # a negative modulus
    ],
)
def test_what_is_no_key_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse(text)


@given(st.text(max_size=200))
def test_any_text_is_refused_and_never_crashes(text: str) -> None:
    for line in (
        text,
        f"ssh-ed25519 {text}",
        f"ssh-rsa {base64.b64encode(text.encode()).decode()}",
    ):
        with pytest.raises(Refused):
            parse(line)


@given(st.integers(0, len(BLOB) - 1), st.sampled_from("Aa0+/= \n\t\0"))
def test_a_changed_key_is_another_key_or_none(place: int, character: str) -> None:
    changed = BLOB[:place] + character + BLOB[place + 1 :]
    try:
        key = parse(f"ssh-ed25519 {changed}")
    except Refused:
        return
    assert (key.text == ED25519) == (changed == BLOB)
    assert (key.fingerprint == parse(ED25519).fingerprint) == (changed == BLOB)
