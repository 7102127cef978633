"""The gateway's side of attach sessions, with a process that is two pipes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paas import frames, tickets
from paas.certificates import ensure_authority
from paas.frames import Frame, Kind
from paas.gateway import attaching
from paas.gateway import rendezvous as module
from paas.gateway.dialects import EndOfInput, Event
from paas.gateway.panel import Panel
from paas.gateway.rendezvous import Rendezvous
from paas.gateway.session import Session
from paas.instance import Instance
from paas.keys import ensure_keys
from paas.runtimes.base import RuntimeFailure, Terminal
from paas.tickets import Ticket
from tests.gateway.world import free_port

TOKEN = "internal"
TICKET = Ticket("id-1", "run.1", None, "user", None)


class Process:
    """`paas.runtimes.base.Attachment`; its own ends of the pipes are `reads` and `says`."""

    def __init__(self, ticket: Ticket | None = None) -> None:
        self.ticket = ticket
        self.reads, self.stdin = os.pipe()
        self.stdout, self.says = os.pipe()
        self.stderr, self.errors = os.pipe()
        self.size = Terminal()
        self.status: int | None = None
        self.closed = False
        for stream in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(stream, False)

    def resize(self, terminal: Terminal) -> None:
        self.size = terminal

    def close_stdin(self) -> None:
        os.close(self.stdin)

    def wait(self, timeout: float | None = None) -> int | None:
        return self.status

    def close(self) -> None:
        self.closed = True

    def exit(self, status: int) -> None:
        self.status = status
        self.close_output()

    def close_output(self) -> None:
        os.close(self.says)
        os.close(self.errors)


@dataclass
class World:
    """A rendezvous that listens, and what it has done."""

    instance: Instance
    attached: list[Process] = field(default_factory=list)
    ended: list[tuple[str, int | None]] = field(default_factory=list)
    refusal: str = ""
    forbidden: bool = False

    def attach(self, ticket: Ticket) -> Process:
        if self.refusal:
            raise RuntimeFailure(self.refusal)
        self.attached.append(Process(ticket))
        return self.attached[-1]

    async def permitted(self, ticket: Ticket) -> bool:
        return not self.forbidden

    async def note(self, ticket: Ticket, status: int | None) -> None:
        self.ended.append((ticket.name, status))

    async def process(self) -> Process:
        await until(lambda: self.attached)
        return self.attached[-1]

    async def meet(self, line: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        trusted = ssl.create_default_context(cafile=str(self.instance.authority))
        reader, writer = await asyncio.open_connection(
            "localhost", self.instance.rendezvous_port, ssl=trusted
        )
        writer.write(line.encode() + b"\r\n")
        return reader, writer


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    made = Instance(
        tmp_path / "home",
        tmp_path / "run",
        8080,
        2222,
        "127.0.0.1",
        "localhost",
        rendezvous_port=free_port(),
    )
    made.run.mkdir()
    ensure_keys(made)
    ensure_authority(made)
    return made


@asynccontextmanager
async def listening(instance: Instance) -> AsyncIterator[tuple[World, Rendezvous]]:
    world = World(instance)
    rendezvous = Rendezvous(instance, TOKEN, world.attach, world.permitted, world.note)
    rendezvous.start()
    try:
        await until(lambda: answers(instance))
        yield world, rendezvous
    finally:
        await rendezvous.close()


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "never came about"
        await asyncio.sleep(0.01)


def answers(instance: Instance) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", instance.rendezvous_port)) == 0


def secret(ticket: Ticket = TICKET) -> str:
    return tickets.seal(ticket, TOKEN)


def framed(story: Callable[..., Awaitable[None]], instance: Instance) -> None:
    """Run `story(world, rendezvous, reader, writer)` with a client that speaks frames."""

    async def tell() -> None:
        async with listening(instance) as (world, rendezvous):
            reader, writer = await world.meet(f"{secret()} {frames.WORD}")
            assert await reader.readline() == b"rendezvous\r\n"
            await story(world, rendezvous, reader, writer)
            writer.close()

    asyncio.run(tell())


async def said(reader: asyncio.StreamReader) -> Frame | None:
    return await asyncio.wait_for(frames.read(reader), 20)


def test_both_ways_and_the_status(instance: Instance) -> None:
    async def story(world, _, reader, writer):
        process = await world.process()
        assert process.ticket == TICKET
        writer.write(Frame.of(Kind.RESIZE, {"columns": 90, "lines": 20}).encode())
        writer.write(Frame(Kind.INPUT, b"ping").encode() + Frame(Kind.INPUT, b"").encode())
        await until(lambda: process.size == Terminal(90, 20))
        assert await asyncio.to_thread(os.read, process.reads, 100) == b"ping"
        assert await asyncio.to_thread(os.read, process.reads, 100) == b"", "the end of input"
        os.write(process.says, b"pong")
        assert await said(reader) == Frame(Kind.OUTPUT, b"pong")
        process.exit(7)
        assert await said(reader) == Frame.of(Kind.EXIT, {"status": 7})
        assert await said(reader) is None
        await until(lambda: world.ended == [("run.1", 7)])
        assert process.closed

    framed(story, instance)


def test_output_may_end_long_before_the_process(instance: Instance) -> None:
    async def story(world, _, reader, __):
        process = await world.process()
        process.close_output()
        await asyncio.sleep(0.3)
        assert not process.closed
        process.status = 0
        assert await said(reader) == Frame.of(Kind.EXIT, {"status": 0})

    framed(story, instance)


def test_a_slow_reader_gets_everything(instance: Instance, monkeypatch) -> None:
    """`paas run 'seq 1000000' | less`: the process has ended long before the last page is read."""
    narrow = (socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    monkeypatch.setattr(frames, "_KEEP_ALIVE", (*frames._KEEP_ALIVE, narrow))
    monkeypatch.setattr("paas.gateway.session._LAST_WORDS", 0.1)
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.1)
    size = 300_000

    def read_slowly() -> bytes:
        trusted = ssl.create_default_context(cafile=str(instance.authority))
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect(("127.0.0.1", instance.rendezvous_port))
            client = trusted.wrap_socket(plain, server_hostname="localhost")
            client.sendall(f"{secret()} {frames.WORD}\r\n".encode())
            read, pause = b"", 0
            while chunk := client.recv(16_384):
                read += chunk
                if len(read) // 50_000 > pause:
                    pause += 1
                    time.sleep(0.5)
            return read

    async def tell() -> None:
        async with listening(instance) as (world, _):
            client = asyncio.create_task(asyncio.to_thread(read_slowly))
            await asyncio.to_thread(say_and_exit, await world.process(), size)
            found = await client
            assert found.count(0) >= size
            assert found.endswith(Frame.of(Kind.EXIT, {"status": 0}).encode())

    asyncio.run(tell())


def say_and_exit(process: Process, size: int) -> None:
    left = memoryview(bytes(size))
    while left:
        left = left[os.write(process.says, left) :]
    process.exit(0)


def test_a_client_that_leaves_ends_the_process(instance: Instance) -> None:
    async def story(world, _, __, writer):
        process = await world.process()
        writer.transport.abort()
        await until(lambda: process.closed and world.ended == [("run.1", None)])

    framed(story, instance)


def test_a_client_that_leaves_unread_input_is_missed_too(instance: Instance) -> None:
    """The process takes nothing, so the gateway does not read: that the client left it must see."""

    async def story(world, _, __, writer):
        process = await world.process()
        writer.write(Frame(Kind.INPUT, bytes(frames.LARGEST)).encode() * 3)
        await asyncio.sleep(0.5)
        writer.transport.abort()
        await until(lambda: process.closed)

    framed(story, instance)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.OUTPUT, b"x"),
        Frame(Kind.RESIZE, b"x"),
        Frame.of(Kind.RESIZE, {"columns": 90}),
        Frame.of(Kind.RESIZE, {"columns": -1, "lines": 20}),
        Frame.of(Kind.RESIZE, {"columns": 10**9, "lines": 20}),
    ],
)
def test_nonsense_ends_the_session(instance: Instance, frame: Frame) -> None:
    async def story(world, _, reader, writer):
        process = await world.process()
        writer.write(frame.encode())
        assert await said(reader) is None
        await until(lambda: process.closed)

    framed(story, instance)


def test_the_gateway_says_why_it_goes(instance: Instance) -> None:
    async def story(world, rendezvous, reader, _):
        process = await world.process()
        closing = asyncio.create_task(rendezvous.close())
        frame = await said(reader)
        assert frame is not None and frame.kind is Kind.NOTICE
        assert b"restarting" in frame.payload
        assert await said(reader) is None
        await closing
        assert process.closed and not world.ended

    framed(story, instance)


def test_the_end_of_the_right_ends_the_session(instance: Instance, monkeypatch) -> None:
    monkeypatch.setattr(module, "_RECHECK_SECONDS", 0.05)

    async def story(world, _, reader, writer):
        process = await world.process()
        await asyncio.sleep(0.3)
        assert not process.closed, "it is asked again and again, and goes on while it may"
        world.forbidden = True
        frame = await said(reader)
        assert frame is not None and frame.kind is Kind.NOTICE
        assert b"run.1 ends: you may no longer run processes" in frame.payload
        assert await said(reader) is None
        await until(lambda: process.closed and world.ended == [("run.1", None)])

    framed(story, instance)


def test_an_address_that_was_kept_opens_nothing_after_the_right(instance: Instance) -> None:
    async def tell() -> None:
        async with listening(instance) as (world, _):
            world.forbidden = True
            reader, writer = await world.meet(secret())
            assert b"you may no longer run processes" in await reader.read()
            assert not world.attached
            writer.close()

    asyncio.run(tell())


def test_a_panel_that_is_away_ends_nothing(instance: Instance, monkeypatch) -> None:
    monkeypatch.setattr("paas.gateway.panel._RETRY_FOR", 0.1)
    nobody_listens = Panel(instance.web_socket, TOKEN)
    assert asyncio.run(attaching.rendezvous(instance, nobody_listens)._permitted(TICKET))


def test_why_a_process_could_not_be_attached_to(instance: Instance) -> None:
    async def tell() -> None:
        async with listening(instance) as (world, _):
            world.refusal = "run.1 has ended."
            reader, writer = await world.meet(secret())
            assert await reader.read() == b"rendezvous\r\n\r\n !     run.1 has ended.\r\n"
            writer.close()

    asyncio.run(tell())


@pytest.mark.parametrize(
    "line",
    [
        "wrong",
        "",
        tickets.seal(TICKET, "another instance's token"),
        tickets.seal(TICKET, TOKEN, now=time.time() - 3600),
        "\xff\xfe",
        json.dumps({"name": "run.1"}),
    ],
    ids=["nonsense", "nothing", "forged", "too old", "no text", "no ticket"],
)
def test_without_a_secret_one_is_cut_off(instance: Instance, line: str) -> None:
    async def tell() -> None:
        async with listening(instance) as (world, _):
            reader, writer = await world.meet(line)
            assert await asyncio.wait_for(reader.read(), 20) == b""
            assert not world.attached
            writer.close()

    asyncio.run(tell())


def test_who_says_nothing_is_cut_off(instance: Instance, monkeypatch) -> None:
    monkeypatch.setattr(module, "_HELLO_SECONDS", 0.5)

    async def tell() -> None:
        async with listening(instance) as _:
            trusted = ssl.create_default_context(cafile=str(instance.authority))
            reader, writer = await asyncio.open_connection(
                "localhost", instance.rendezvous_port, ssl=trusted
            )
            assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()

    asyncio.run(tell())


def test_guessers_do_not_keep_others_out(instance: Instance) -> None:
    async def tell() -> None:
        async with listening(instance) as (world, _):
            wrong = await asyncio.gather(*(world.meet("guess") for _ in range(30)))
            reader, writer = await world.meet(secret())
            assert await asyncio.wait_for(reader.readline(), 20) == b"rendezvous\r\n"
            for _, one in (*wrong, (reader, writer)):
                one.close()

    asyncio.run(tell())


def test_a_taken_port_is_waited_for(instance: Instance, monkeypatch) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.1)

    async def tell() -> None:
        world = World(instance)
        rendezvous = Rendezvous(instance, TOKEN, world.attach, world.permitted, world.note)
        with socket.create_server(("127.0.0.1", instance.rendezvous_port)):
            rendezvous.start()
            await asyncio.sleep(0.5)
        await until(lambda: answers(instance))
        reader, writer = await world.meet(secret())
        assert await reader.readline() == b"rendezvous\r\n"
        writer.close()
        await rendezvous.close()

    asyncio.run(tell())


class Silent:
    """A client that says nothing and remembers what it is told; `broken`: it cannot be told."""

    def __init__(self, *, broken: bool = False) -> None:
        self.heard: list[str] = []
        self.broken = broken

    async def events(self) -> AsyncIterator[Event]:
        await asyncio.sleep(1000)
        yield EndOfInput()

    async def output(self, data: bytes) -> None:
        if self.broken:
            raise ConnectionResetError

    async def errors(self, data: bytes) -> None:
        await self.output(data)

    async def notice(self, text: str) -> None:
        self.heard.append(text)

    async def exit(self, status: int) -> None: ...


def test_an_idle_session_ends() -> None:
    async def tell() -> None:
        client, process = Silent(), Process()
        session = Session(client, process, "run.1", lambda: False, idle_limit=0.5)
        running = asyncio.create_task(session.run())
        await asyncio.sleep(0.3)
        os.write(process.says, b"a sign of life")
        await asyncio.sleep(0.3)
        assert not running.done()
        assert await running is None
        assert process.closed and "idle" in client.heard[0]

    asyncio.run(tell())


def test_nothing_reads_on_after_the_end() -> None:
    """Else it would read what a later session has under the same number."""

    async def tell() -> None:
        process = Process()
        os.write(process.says, b"to a client that has gone")
        assert await Session(Silent(broken=True), process, "run.1", lambda: False).run() is None
        os.write(process.errors, b"later")
        await asyncio.sleep(0.2)
        assert os.read(process.stderr, 100) == b"later"

    asyncio.run(tell())
