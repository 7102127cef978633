"""One SSH connection: who it is, how many there are, how long it may do nothing."""

from __future__ import annotations

import asyncio

import asyncssh

from paas.gateway.panel import Key, Panel, PanelError
from paas.gateway.services import Services
from paas.gateway.ssh.session import Caller, Session

_MOST = 512
_MOST_OF_ADDRESS = 64
_MOST_SESSIONS = 10  # of one connection, as OpenSSH has it
_MOST_KEYS = 10
_IDLE = 300.0  # seconds

_UNKNOWN_KEY = (
    "None of your SSH keys is known here. Add one where you are signed in: paas keys:add\n"
    "To have a key at all: ssh-keygen -t ed25519\n"
)
_TOO_MANY_KEYS = (
    f"none of your first {_MOST_KEYS} keys is known here; name the right one with "
    "IdentityFile and IdentitiesOnly in ~/.ssh/config"
)
_TOO_MANY = "too many connections; try again soon"
_DOING_NOTHING = "nothing was asked for"
_RESTARTING = "the gateway is restarting; try again in a moment"


class Doors:
    """The connections that are open, with their addresses."""

    def __init__(self) -> None:
        self._inside: dict[asyncssh.SSHServerConnection, str] = {}

    def enter(self, connection: asyncssh.SSHServerConnection, address: str) -> bool:
        """Let a connection in, unless there are too many."""
        of_address = sum(other == address for other in self._inside.values())
        if len(self._inside) >= _MOST or of_address >= _MOST_OF_ADDRESS:
            return False
        self._inside[connection] = address
        return True

    def leave(self, connection: asyncssh.SSHServerConnection) -> None:
        """Forget a connection; harmless if it was not let in."""
        self._inside.pop(connection, None)

    def close(self) -> None:
        """End what is open."""
        for connection in list(self._inside):
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, _RESTARTING)


class Connection(asyncssh.SSHServer):
    """asyncssh's callbacks for one connection.

    Whoever holds a key that somebody has added is that somebody; the user name
    they give does not count.
    """

    def __init__(self, services: Services, panel: Panel, doors: Doors, git_url: str) -> None:
        self._services, self._panel, self._doors = services, panel, doors
        self._git_url = git_url
        self._connection: asyncssh.SSHServerConnection
        self._refused_keys = 0
        self._offered: Caller | None = None
        self._caller: Caller | None = None
        self._sessions: set[Session] = set()
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        address = str((conn.get_extra_info("peername") or ("",))[0])
        if not self._doors.enter(conn, address):
            conn.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, _TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.leave(self._connection)
        if self._idle:
            self._idle.cancel()

    # --- who --------------------------------------------------------------
    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether somebody has added `key`; asyncssh then demands proof that the client holds it.

        A client offers all its keys in turn, so an unknown one ends nothing yet.
        """
        found = Key(key.get_fingerprint())
        try:
            self._offered = Caller(await self._panel.key_owner(found), found)
        except PanelError as error:
            self._refuse_key(error)
            return False
        return True

    def _refuse_key(self, error: PanelError) -> None:
        self._refused_keys += 1
        if error.status != 401:
            self._connection.disconnect(asyncssh.DISC_SERVICE_NOT_AVAILABLE, error.message)
        elif self._refused_keys >= _MOST_KEYS:
            self._connection.disconnect(
                asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, _TOO_MANY_KEYS
            )

    def kbdint_auth_supported(self) -> bool:
        """Clients try this when they have no more keys: the moment to say what to do."""
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> bool:
        self._connection.send_auth_banner(_UNKNOWN_KEY)
        return False

    def auth_completed(self) -> None:
        """The key last offered is the one that was proven: asyncssh verifies it in between."""
        self._caller = self._offered
        self._wait_for_work()

    # --- what they do -----------------------------------------------------
    def session_requested(self) -> Session | bool:
        if self._caller is None or len(self._sessions) >= _MOST_SESSIONS:
            return False
        session = Session(self._services, self._caller, self._git_url, self._session_over)
        self._sessions.add(session)
        return session

    def _session_over(self, session: Session) -> None:
        self._sessions.discard(session)
        self._wait_for_work()

    def _wait_for_work(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_IDLE, self._leave_idle)

    def _leave_idle(self) -> None:
        if any(session.busy for session in self._sessions):
            self._wait_for_work()
        else:
            self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, _DOING_NOTHING)
