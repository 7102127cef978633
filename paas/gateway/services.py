"""git's two services for whoever may use them, whichever way they came in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from paas import faults
from paas.gateway import git, hooks
from paas.gateway.panel import Access, Login, Panel, PanelError
from paas.gateway.protocol import RECEIVE_PACK, RefusedError
from paas.gateway.pushes import Places, Push
from paas.gateway.relay import Client, exchange

_AT_ONCE = 64  # git services running; a deploying push is one of them
_PATIENCE = 30.0  # seconds a client waits for its turn
_LARGEST_ADVERTISEMENT = 64 * 1024 * 1024

# git's options for HTTP, where one exchange is two requests that know nothing of each other.
_STATELESS = ("--stateless-rpc",)
_ADVERTISING = ("--stateless-rpc", "--advertise-refs")


@dataclass(frozen=True)
class Surroundings:
    """What all exchanges share. `repositories` holds every repository there is."""

    panel: Panel
    hook_server: hooks.HookServer
    hooks: Path
    repositories: Path
    places: Places


@dataclass(frozen=True)
class Job:
    """One service on one app, for somebody who may.

    `login` is what they came with, `protocol` the client's GIT_PROTOCOL, "" for none.
    """

    service: str
    access: Access
    login: Login
    protocol: str


class Services:
    """Starts git, a bounded number of times at once, and ends it in good order."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._pushes: set[Push] = set()
        self._stopping = False

    async def wind_down(self, moment: float) -> None:
        """Take no new push, give running ones `moment` seconds, then tell them to end."""
        self._stopping = True
        await self.pushes_over(moment)
        for push in self._pushes:
            push.interrupt()

    async def pushes_over(self, moment: float) -> None:
        """Wait until no push is going on, `moment` seconds at most."""
        deadline = asyncio.get_running_loop().time() + moment
        while self._pushes and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)

    async def access(self, app: str, service: str, login: Login) -> Access:
        """What `login` may do to `app` with `service`.

        Raises:
            RefusedError: nothing; with status 401 if nobody has such a login.
        """
        if self._stopping:
            raise RefusedError(503, "The gateway is restarting; try again in a moment.")
        try:
            access = await self._around.panel.access(app, service, login)
        except PanelError as error:
            raise _refusal(error, app) from error
        if access.repository.parent != self._around.repositories:
            raise RuntimeError(f"the panel named a foreign repository: {access.repository}")
        return access

    async def advertise(self, job: Job) -> bytes:
        """The references the service begins with, for a client that asks for them alone.

        Raises:
            RefusedError: git cannot read the repository, or too many are at it.
        """
        async with self._turn():
            refs = await git.read_start(
                self._command(job, _ADVERTISING), _environment(job), limit=_LARGEST_ADVERTISEMENT
            )
        if not refs:
            raise RefusedError(
                500, "git could not read the app's repository; the gateway's log says why."
            )
        return refs

    async def run(self, job: Job, body: AsyncIterator[bytes], client: Client) -> None:
        """Run the service between `body` and `client`, to its end.

        Raises:
            RefusedError: too many are at it.
            BodyError: the body was cut off.
        """
        async with self._turn():
            if job.service == RECEIVE_PACK:
                await self._receive_pack(job, body, client)
            else:
                process = await git.start(self._command(job, _modes(client)), _environment(job))
                await exchange(process, body, client, owned=False)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._turns.acquire(), _PATIENCE)
        except TimeoutError as error:
            raise RefusedError(
                503, "Too many pushes and fetches at once; try again soon."
            ) from error
        try:
            yield
        finally:
            self._turns.release()

    async def _receive_pack(self, job: Job, body: AsyncIterator[bytes], client: Client) -> None:
        faults.point("gateway.after_access")
        hooks.install(self._around.hooks)
        push = Push(self._around.panel, self._around.places, job.access, job.login)
        self._pushes.add(push)
        delivered = False
        try:
            with self._around.hook_server.expecting(push.receive) as hook_environment:
                process = await git.start(
                    self._command(job, _modes(client)), _environment(job) | hook_environment
                )
                delivered = await exchange(process, body, client, owned=True)
        finally:
            self._pushes.discard(push)
            await push.end(delivered=delivered)

    def _command(self, job: Job, modes: Sequence[str]) -> list[str]:
        return git.service_command(job.service, job.access.repository, self._around.hooks, modes)


def _modes(client: Client) -> Sequence[str]:
    return () if client.duplex else _STATELESS


def _environment(job: Job) -> dict[str, str]:
    protocol = {"GIT_PROTOCOL": job.protocol} if job.protocol else {}
    return git.base_environment() | protocol


def _refusal(error: PanelError, app: str) -> RefusedError:
    if error.status == 404:
        return RefusedError(
            404,
            f"There is no app {app} here, or it is not yours to see.\n"
            f"To create it: paas create {app}\nYours are listed by: paas apps",
        )
    return RefusedError(error.status, error.message)
