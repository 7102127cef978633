"""The SSH server: what it offers, with which algorithms, and where it listens."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable

import asyncssh
from asyncssh.kex import get_kex_algs

from paas import keys
from paas.gateway.panel import Panel
from paas.gateway.services import Services
from paas.gateway.ssh.connection import Connection, Doors
from paas.instance import Instance

_LOGIN_SECONDS = 30
_SIGN_OF_LIFE = 30  # seconds of silence, then the client is asked; at the fourth it is gone
_BACKLOG = 128
_WINDOW = 1024 * 1024  # bytes a channel may send ahead; each costs the gateway several times that

# Curves, and groups of 4096 bits; the first needs a recent OpenSSL and resists quantum computers.
_KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
)
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
)
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
_SIGNATURES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


@contextlib.asynccontextmanager
async def listening(instance: Instance, services: Services, panel: Panel) -> AsyncIterator[None]:
    """Serve on the instance's SSH port while the context lasts.

    Raises:
        KeysError: there is no host key, or others can read it.
        OSError: the port is taken.
    """
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    doors = Doors()
    git_url = instance.ssh_git_url("NAME")
    host_key = asyncssh.import_private_key(keys.read_key(instance, keys.SSH_HOST_KEY) + "\n")
    acceptor = await asyncssh.listen(
        instance.bind,
        instance.ssh_port,
        backlog=_BACKLOG,
        server_factory=lambda: Connection(services, panel, doors, git_url),
        server_host_keys=[host_key],
        server_version="paas",
        encoding=None,
        window=_WINDOW,
        line_editor=False,
        allow_pty=False,
        allow_scp=False,
        x11_forwarding=False,
        agent_forwarding=False,
        public_key_auth=True,
        kbdint_auth=True,
        password_auth=False,
        host_based_auth=False,
        gss_host=None,
        login_timeout=_LOGIN_SECONDS,
        keepalive_interval=_SIGN_OF_LIFE,
        keepalive_count_max=3,
        kex_algs=list(_supported(_KEY_EXCHANGES)),
        encryption_algs=list(_CIPHERS),
        mac_algs=list(_MACS),
        signature_algs=list(_SIGNATURES),
        compression_algs=["none"],  # packs are compressed; a client must not make us unpack bombs
    )
    try:
        yield
    finally:
        acceptor.close()
        doors.close()
        await acceptor.wait_closed()


def _supported(names: Iterable[str]) -> Iterable[str]:
    """Those of `names` that the OpenSSL here can do."""
    here = {name.decode() for name in get_kex_algs()}
    return (name for name in names if name in here)
