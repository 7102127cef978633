"""What SSH bounds, with shorter bounds: a server in the test's own process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import Mock

import asyncssh
import pytest

from paas.gateway.hooks import HookServer
from paas.gateway.panel import Panel
from paas.gateway.pushes import Places
from paas.gateway.services import Services, Surroundings
from paas.gateway.ssh import client, connection, server
from paas.instance import Instance
from paas.keys import SSH_HOST_KEY, KeysError
from tests.gateway.panel import ALICE, INTERNAL_TOKEN, STRANGER, FakePanel
from tests.gateway.world import PATIENCE, SshDoor, free_port

SHORT = 0.3  # seconds


class House:
    """An SSH server on a port of its own, and asyncssh's client for it."""

    def __init__(self, panel: FakePanel, keys: SshDoor) -> None:
        self.instance = dataclasses.replace(panel.instance, ssh_port=free_port())
        self.keys = keys

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        panel = Panel(self.instance.web_socket, INTERNAL_TOKEN)
        async with server.listening(self.instance, self.services(panel), panel):
            yield self

    def services(self, panel: Panel) -> Services:
        where = self.instance.home
        places = Places(where, self.instance.sources, self.instance.build_logs)
        hook_server = HookServer(self.instance.hook_socket)
        repositories = self.instance.repositories
        return Services(Surroundings(panel, hook_server, where, repositories, places))

    def connect(
        self, *who: str
    ) -> contextlib.AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
        return asyncssh.connect(
            "127.0.0.1",
            self.instance.ssh_port,
            username="git",
            known_hosts=None,
            client_keys=[str(self.keys.key(one)) for one in who or (ALICE,)],
            config=None,
        )


@pytest.fixture
def house(panel: FakePanel, ssh_door: SshDoor) -> House:
    return House(panel, ssh_door)


def test_who_does_not_log_in_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LOGIN_SECONDS", SHORT)

    async def linger() -> bytes:
        async with house.open():
            reader, writer = await asyncio.open_connection("127.0.0.1", house.instance.ssh_port)
            said = await asyncio.wait_for(reader.read(), PATIENCE)
            writer.close()
            return said

    assert asyncio.run(linger()).startswith(b"SSH-2.0-paas\r\n")


def test_one_address_has_a_bounded_number_of_connections(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_MOST_OF_ADDRESS", 2)

    async def crowd() -> None:
        async with house.open():
            async with house.connect(), house.connect():
                assert not await _opens(house)
            async with asyncio.timeout(PATIENCE):
                while not await _opens(house):  # the server learns a moment later who has left
                    await asyncio.sleep(0.05)

    asyncio.run(crowd())


async def _opens(house: House) -> bool:
    try:
        async with house.connect():
            return True
    except (asyncssh.DisconnectError, ConnectionError):
        return False


def test_all_have_a_bounded_number_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST", 2)
    doors, (first, second, third) = connection.Doors(), [Mock() for _ in range(3)]
    assert doors.enter(first, "192.0.2.1") and doors.enter(second, "192.0.2.2")
    assert not doors.enter(third, "192.0.2.3")
    doors.leave(first)
    assert doors.enter(third, "192.0.2.3")


def test_one_connection_has_a_bounded_number_of_sessions(
    house: House, panel: FakePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_MOST_SESSIONS", 2)
    app = panel.create()

    async def crowd() -> None:
        async with house.open(), house.connect() as ssh:
            command = f"git-upload-pack {app.name}.git"
            open_ones = [await ssh.create_process(command) for _ in range(2)]
            with pytest.raises(asyncssh.ChannelOpenError):
                await ssh.create_process(command)
            for process in open_ones:
                process.close()
                await process.wait_closed()
            assert (await ssh.run(command, input="0000")).exit_status == 0

    asyncio.run(crowd())


def test_too_many_keys_are_told_how_to_name_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_MOST_KEYS", 2)
    house.keys.make_key("second-stranger")

    async def offer() -> None:
        async with house.open():
            with pytest.raises(asyncssh.DisconnectError, match="IdentitiesOnly"):
                async with house.connect(STRANGER, "second-stranger", ALICE):
                    pass

    asyncio.run(offer())


def test_who_does_nothing_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_IDLE", SHORT)

    async def idle() -> None:
        async with house.open(), house.connect() as ssh:
            await asyncio.wait_for(ssh.wait_closed(), PATIENCE)

    asyncio.run(idle())


def test_who_works_is_not_cut(
    house: House, panel: FakePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_IDLE", SHORT)
    app = panel.create()

    async def work() -> None:
        async with house.open(), house.connect() as ssh:
            fetch = await ssh.create_process(f"git-upload-pack {app.name}.git", encoding=None)
            await asyncio.sleep(4 * SHORT)
            fetch.stdin.write(b"0000")
            assert (await fetch.wait()).exit_status == 0
            await asyncio.wait_for(ssh.wait_closed(), PATIENCE)

    asyncio.run(work())


@pytest.mark.parametrize("service", ["git-receive-pack", "git-upload-pack"])
def test_a_silent_client_ends_in_an_error(
    house: House, panel: FakePanel, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.setattr(client, "_SILENCE", SHORT)
    app = panel.create()

    async def wait() -> asyncssh.SSHCompletedProcess:
        async with house.open(), house.connect() as ssh:
            fetch = await ssh.create_process(f"{service} {app.name}.git", encoding=None)
            return await asyncio.wait_for(fetch.wait(), PATIENCE)

    ended = asyncio.run(wait())
    assert ended.exit_status == 128
    assert b"nothing was sent for too long" in bytes(ended.stderr or b"")


def test_a_body_without_end_is_cut(
    house: House, panel: FakePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_BODY", 100_000)
    app = panel.create()

    async def send() -> asyncssh.SSHCompletedProcess:
        async with house.open(), house.connect() as ssh:
            fetch = await ssh.create_process(f"git-upload-pack {app.name}.git", encoding=None)
            with contextlib.suppress(OSError):
                for _ in range(200):
                    fetch.stdin.write(b"0032want " + b"1" * 40 + b"\n")
                    fetch.stdin.write(b"0" * 1000)
                    await fetch.stdin.drain()
            return await asyncio.wait_for(fetch.wait(), PATIENCE)

    assert asyncio.run(send()).exit_status == 128


@pytest.mark.parametrize("mode", [None, 0o640])
def test_a_host_key_that_is_missing_or_open_to_others_refuses(
    house: House, tmp_path: Path, mode: int | None
) -> None:
    host_key = (house.instance.keys / SSH_HOST_KEY).read_text()
    moved: Instance = dataclasses.replace(house.instance, home=tmp_path)
    moved.keys.mkdir()
    if mode is not None:
        (moved.keys / SSH_HOST_KEY).write_text(host_key)
        (moved.keys / SSH_HOST_KEY).chmod(mode)
    panel = Panel(moved.web_socket, INTERNAL_TOKEN)
    with pytest.raises(KeysError, match=SSH_HOST_KEY):
        asyncio.run(_open(moved, house.services(panel), panel))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", moved.ssh_port))


async def _open(instance: Instance, services: Services, panel: Panel) -> None:
    async with server.listening(instance, services, panel):
        pass


def test_a_stop_closes_what_is_open(house: House) -> None:
    async def stop() -> None:
        async with contextlib.AsyncExitStack() as later:
            async with house.open():
                ssh = await later.enter_async_context(house.connect())
            await asyncio.wait_for(ssh.wait_closed(), PATIENCE)

    asyncio.run(stop())
