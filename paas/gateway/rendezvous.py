"""Where clients meet the processes they attach to: Heroku's rendezvous protocol, over TLS.

A client sends the secret of its address in a line and gets the line
`rendezvous`; from then on the connection is the process's (see `dialects`).
Whoever has no valid secret is cut off without a word.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from paas import certificates, frames, tickets
from paas.gateway.dialects import Dialect, Framed, Raw
from paas.gateway.session import IDLE_LIMIT, Session
from paas.instance import Instance, InstanceError
from paas.runtimes.base import Attachment, RuntimeFailure
from paas.tickets import Ticket, TicketError

log = logging.getLogger(__name__)

Attach = Callable[[Ticket], Attachment]
"""Attaches to the process of a ticket; blocks, and raises RuntimeFailure."""
Permitted = Callable[[Ticket], Awaitable[bool]]
"""Whether whoever was given the ticket may still run processes of its app."""
Ended = Callable[[Ticket, int | None], Awaitable[None]]
"""Is told that the session is over, with the process's exit status if that is why."""

_HELLO = b"rendezvous\r\n"
_HELLO_SECONDS = 10.0  # for TLS, and then for the line
_WRONG_SECONDS = 1.0  # what a wrong secret costs
_MOST_STRANGERS = 64  # connections that have not shown a secret yet
_MOST_SESSIONS = 256
_RETRY_SECONDS = 5.0  # while the port is taken
_RENEW_SECONDS = 24 * 3600.0
_RECHECK_SECONDS = 3.0
_CLOSE_SECONDS = 5.0
_TCP_ESTABLISHED = 1  # linux/tcp_states.h
_MOST_RETRANSMITS = 8  # of the same data: about a minute


class Rendezvous:
    """Listens on the instance's port for attach sessions.

    Args:
        token: the internal token, by which tickets are sealed.
    """

    def __init__(
        self,
        instance: Instance,
        token: str,
        attach: Attach,
        permitted: Permitted,
        ended: Ended,
    ) -> None:
        self._instance, self._token = instance, token
        self._attach, self._permitted, self._ended = attach, permitted, ended
        self._strangers = 0
        self._sessions: set[Session] = set()
        self._meetings: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begin to listen; that the port is taken, or a key missing, stops nothing else."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Listen no more, tell all clients why, and hang up."""
        self._closing = True
        if self._keeping is not None:
            self._keeping.cancel()
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.end("The gateway is restarting, so this session ends. Run it again.")
        if self._meetings:
            await asyncio.wait(self._meetings, timeout=_CLOSE_SECONDS)

    # --- the port and its certificate ---------------------------------------------
    async def _keep(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        told = ""
        while True:
            try:
                await asyncio.to_thread(_certify, context, self._instance)
                if self._server is None:
                    self._server = await self._listen(context)
                    log.info("attach sessions on port %d", self._instance.rendezvous_port)
                await asyncio.sleep(_RENEW_SECONDS)
            except (OSError, ValueError, InstanceError) as error:
                if told != str(error):
                    log.error("attach sessions cannot be offered: %s", told := str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, context: ssl.SSLContext) -> asyncio.Server:
        return await asyncio.start_server(
            self._meet,
            host=self._instance.listen_addresses(),
            port=self._instance.rendezvous_port,
            ssl=context,
            ssl_handshake_timeout=_HELLO_SECONDS,
            ssl_shutdown_timeout=IDLE_LIMIT,  # a slow client still gets what was said last
            limit=max(tickets.LONGEST, frames.LARGEST),
        )

    # --- a client ---------------------------------------------------------------------
    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meeting = asyncio.current_task()
        assert meeting is not None
        self._meetings.add(meeting)
        try:
            ticket, framed = await self._admit(reader)
            connection = writer.get_extra_info("socket")
            frames.keep_alive(connection)
            writer.write(_HELLO)
            await writer.drain()
            client = _dialect(ticket, reader, writer, framed=framed)
            await self._attend(ticket, client, connection)
        except TicketError as error:
            log.warning("a client of %s was refused: %s", _address(writer), error)
            writer.transport.abort()
        except OSError:
            writer.transport.abort()  # it has gone
        finally:
            self._meetings.discard(meeting)
            writer.close()  # when all has been sent

    async def _admit(self, reader: asyncio.StreamReader) -> tuple[Ticket, bool]:
        """The ticket a client shows, and whether it speaks frames.

        Raises:
            TicketError: it has no valid one.
        """
        if self._strangers >= _MOST_STRANGERS:
            raise TicketError("too many connect at once")
        self._strangers += 1
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                line = await reader.readuntil(b"\n")
            secret, _, word = line.decode("ascii").strip().partition(" ")
            return tickets.unseal(secret, self._token), word == frames.WORD
        except (ValueError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            raise TicketError("it sent no secret") from None
        except TicketError:
            await asyncio.sleep(_WRONG_SECONDS)
            raise
        finally:
            self._strangers -= 1

    async def _attend(self, ticket: Ticket, client: Dialect, connection: socket.socket) -> None:
        if len(self._sessions) >= _MOST_SESSIONS:
            await client.notice("Too many are attached at once. Try again later.")
            return
        if not await self._permitted(ticket):
            await client.notice(_no_longer_permitted(ticket))
            return
        try:
            attachment = await asyncio.to_thread(self._attach, ticket)
        except RuntimeFailure as error:
            await client.notice(str(error))
            return
        session = Session(client, attachment, ticket.name, lambda: _is_cut(connection))
        self._sessions.add(session)
        guard = asyncio.create_task(self._guard(session, ticket))
        try:
            status = await session.run()
        finally:
            guard.cancel()
            self._sessions.discard(session)
        if not self._closing:  # then nobody may be there to be told, as at the stop of the panel
            await self._ended(ticket, status)

    async def _guard(self, session: Session, ticket: Ticket) -> None:
        """End the session within seconds of the right to it."""
        permitted = True
        while permitted:
            await asyncio.sleep(_RECHECK_SECONDS)
            permitted = await self._permitted(ticket)
        session.end(_no_longer_permitted(ticket))


def _certify(context: ssl.SSLContext, instance: Instance) -> None:
    """A fresh certificate for `context`; connections there are keep the old one."""
    certificates.ensure_authority(instance)
    context.load_cert_chain(certificates.issue(instance))


def _dialect(
    ticket: Ticket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, framed: bool
) -> Dialect:
    if framed:
        return Framed(reader, writer)
    return Raw(
        reader, writer, terminal=ticket.terminal is not None, marks_status=ticket.marks_status
    )


def _no_longer_permitted(ticket: Ticket) -> str:
    return (
        f"{ticket.name} ends: you may no longer run processes of this app, or the token you "
        "started it with has ended. `paas access` shows who may."
    )


def _is_cut(connection: socket.socket) -> bool:
    """Whether the other side has left, or acknowledges nothing any more (linux/tcp.h, tcp_info)."""
    state, _, retransmits = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 3)
    return state != _TCP_ESTABLISHED or retransmits >= _MOST_RETRANSMITS


def _address(writer: asyncio.StreamWriter) -> str:
    return str((writer.get_extra_info("peername") or ["?"])[0])
