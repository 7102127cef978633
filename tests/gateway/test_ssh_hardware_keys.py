"""Keys in hardware (sk-): a signature counts only if somebody touched the device."""

from __future__ import annotations

import asyncio
import hashlib
import struct

import asyncssh
import pytest
from asyncssh.packet import String
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from paas.ssh_keys import fingerprint
from tests.gateway.panel import ALICE, FakePanel
from tests.gateway.world import SshDoor

ALGORITHM = b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
TOUCHED = 1


class Device(asyncssh.SSHKeyPair):
    """A security key in software; `flags` says whether it was touched (OpenSSH's PROTOCOL.u2f)."""

    def __init__(self, flags: int) -> None:
        self._key, self._flags = Ed25519PrivateKey.generate(), flags
        point = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        blob = String(ALGORITHM) + String(point) + String(APPLICATION)
        super().__init__(ALGORITHM, ALGORITHM, [ALGORITHM], [ALGORITHM], blob, b"device")

    def sign(self, data: bytes) -> bytes:
        counter = struct.pack(">BI", self._flags, 1)
        hashed = hashlib.sha256(APPLICATION).digest() + counter + hashlib.sha256(data).digest()
        return String(ALGORITHM) + String(self._key.sign(hashed)) + counter


@pytest.mark.parametrize(("flags", "opens"), [(TOUCHED, True), (0, False)])
def test_a_device_has_to_be_touched(
    panel: FakePanel, ssh_door: SshDoor, flags: int, opens: bool
) -> None:
    device = Device(flags)
    panel.keys[fingerprint(device.public_data)] = ALICE

    async def greet() -> str:
        async with asyncssh.connect(
            "127.0.0.1",
            ssh_door.port,
            username="git",
            known_hosts=None,
            client_keys=[device],
            config=None,
        ) as ssh:
            return str((await ssh.run()).stdout)

    if opens:
        assert "alice@example.com" in asyncio.run(greet())
    else:
        with pytest.raises(asyncssh.PermissionDenied):
            asyncio.run(greet())
