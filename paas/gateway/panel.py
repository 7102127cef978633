"""The panel as the gateway sees it: the internal calls of docs/architecture.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paas.gateway import unix_http

_RETRY_FOR = 10.0  # seconds: a panel that restarts is back by then
_RETRY_EVERY = 0.1
_UNAVAILABLE = 503  # the panel's own word for a part of it that is away, with a text for the user

UNAVAILABLE = "The panel is not answering; try again in a moment. `paas doctor` says what is wrong."


class PanelError(Exception):
    """The panel's answer is no; the text is fit for the user.

    Args:
        status: HTTP status of the answer; 503 where there was none.
        message: what to show.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Token:
    """A token that somebody sent along."""

    token: str


@dataclass(frozen=True)
class Key:
    """The SHA256 fingerprint of an SSH key that somebody has proven to hold."""

    fingerprint: str


Login = Token | Key


@dataclass(frozen=True)
class Access:
    """Who talks to which app, as the panel confirmed it."""

    app_id: str | int
    app: str
    user_id: str | int
    repository: Path
    deploy_branch: str


@dataclass(frozen=True)
class NewBuild:
    """The push became a build; the commit's archive belongs at `archive`."""

    build_id: str
    archive: Path
    notices: tuple[str, ...]


@dataclass(frozen=True)
class AlreadyLive:
    """The commit is what runs now: nothing to deploy."""

    release: str
    url: str
    notices: tuple[str, ...]


class Panel:
    """Calls of the panel's internal API.

    Args:
        socket: the panel's Unix socket.
        token: the internal token.

    Every method raises PanelError, with status 503 if the panel stays away
    for ten seconds.
    """

    def __init__(self, socket: Path, token: str) -> None:
        self._socket, self.token = socket, token

    async def key_owner(self, key: Key) -> str:
        """The e-mail address of whoever has added `key`; PanelError with status 401 if nobody."""
        _, answer = await self._call("keys", asdict(key))
        return str(answer["user"])

    async def access(self, app: str, service: str, login: Login) -> Access:
        """Who is `login`, and may they use `service` ("git-upload-pack", …) on `app`?"""
        body = {"app": app, "service": service, **asdict(login)}
        _, answer = await self._call("access", body)
        return Access(
            app_id=answer["app_id"],
            app=answer["app"],
            user_id=answer["user_id"],
            repository=Path(answer["repository"]),
            deploy_branch=answer["deploy_branch"],
        )

    async def create_push(
        self, access: Access, commit: str, message: str
    ) -> NewBuild | AlreadyLive:
        """Announce a push of `commit` (40 hex digits) to the deploy branch."""
        body = {
            "app_id": access.app_id,
            "user_id": access.user_id,
            "commit": commit,
            "message": message,
            "branch": access.deploy_branch,
        }
        # Not repeated once sent: the first try may have made a build, and the
        # second would then be told that another push is going on.
        status, answer = await self._call("pushes", body, repeatable=False)
        notices = tuple(answer.get("notices", ()))
        if status == 200:
            return AlreadyLive(answer["live"], answer["url"], notices)
        return NewBuild(str(answer["build_id"]), Path(answer["archive"]), notices)

    async def start(self, build_id: str) -> None:
        """The archive is complete: queue the build."""
        await self._call(f"pushes/{build_id}/start", {})

    async def abandon(self, build_id: str, reason: str) -> None:
        """The archive could not be made: settle the build as failed."""
        await self._call(f"pushes/{build_id}/abandon", {"reason": reason})

    async def end(self, build_id: str, *, delivered: bool) -> None:
        """The push is over; `delivered` if its client saw how the deploy ended."""
        await self._call(f"pushes/{build_id}/end", {"delivered": delivered})

    async def run_permitted(self, app_id: str, user: str, authorization: str | None) -> bool:
        """Whether `user`, by the token `authorization` if any, may still run processes."""
        body = {"app_id": app_id, "user": user, "authorization": authorization}
        _, answer = await self._call("permitted", body, room="runs")
        return bool(answer["permitted"])

    async def run_ended(self, app_id: str, name: str, status: int | None) -> None:
        """A client's session with the one-off `name` is over; `status` if the process ended it."""
        await self._call("ended", {"app_id": app_id, "name": name, "status": status}, room="runs")

    async def _call(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        room: str = "git",
        repeatable: bool = True,
    ) -> tuple[int, dict[str, Any]]:
        request = unix_http.post(f"/internal/{room}/{path}", self.token, json.dumps(body).encode())
        status, payload = await self._send(request, repeatable=repeatable)
        answer = _decoded(payload)
        if (status >= 500 and status != _UNAVAILABLE) or answer is None:
            raise PanelError(503, f"The panel failed (status {status}); try again in a moment.")
        if status >= 400:
            raise PanelError(status, str(answer.get("message") or "The panel refused this."))
        return status, answer

    async def _send(self, request: bytes, *, repeatable: bool) -> tuple[int, bytes]:
        deadline = asyncio.get_running_loop().time() + _RETRY_FOR
        while True:
            try:
                status, payload = await unix_http.exchange(self._socket, request)
                waits = asyncio.get_running_loop().time() < deadline
                if status != _UNAVAILABLE or not repeatable or not waits:
                    return status, payload
            except unix_http.TransportError as error:
                lost = error.sent and not repeatable
                if lost or asyncio.get_running_loop().time() > deadline:
                    raise PanelError(503, UNAVAILABLE) from error
            await asyncio.sleep(_RETRY_EVERY)


def _decoded(payload: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(payload or b"{}")
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
