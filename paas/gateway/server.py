"""One event loop with the gateway's two sockets: HTTP for git, and the hook's."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from pathlib import Path

import uvicorn

from paas.gateway import attaching, hooks, tree
from paas.gateway.asgi import Application, Surroundings
from paas.gateway.panel import Panel
from paas.gateway.pushes import Places
from paas.gateway.rendezvous import Rendezvous
from paas.instance import Instance, make_private

log = logging.getLogger(__name__)

_MOMENT = 5.0  # seconds running pushes get at a stop
_LEAVE = 5  # seconds they then get to tell their clients
_KEEP_ALIVE = (
    180  # seconds; above the front door's 120, so that it never meets a closing connection
)
_BACKLOG = 512


class Server(uvicorn.Server):
    """uvicorn, which winds pushes and sessions down before it closes connections."""

    def __init__(self, application: Application, rendezvous: Rendezvous) -> None:
        self._application, self._rendezvous = application, rendezvous
        super().__init__(
            uvicorn.Config(
                application,
                http="httptools",
                ws="none",
                loop="asyncio",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_LEAVE,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.gather(self._application.wind_down(_MOMENT), self._rendezvous.close())
        await super().shutdown(sockets)


async def serve(instance: Instance) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        HookError: hooks cannot be executed in `PAAS_HOME`.
        OSError: the internal token is missing, or a socket cannot be made.
    """
    make_private(instance.run)
    tree.remove_leftovers(instance.repositories, instance.sources)
    hook_server = hooks.HookServer(instance.hook_socket)
    around = _surroundings(instance, hook_server)
    application, rendezvous = Application(around), attaching.rendezvous(instance, around.panel)
    rendezvous.start()
    # uvicorn raises the signal again when it has stopped; that must not kill us.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    async with await hook_server.listen():
        log.info("listening on %s", instance.gateway_socket)
        await Server(application, rendezvous).serve([_listen(instance.gateway_socket)])


def _surroundings(instance: Instance, hook_server: hooks.HookServer) -> Surroundings:
    token = (instance.keys / "internal_token").read_text().strip()
    return Surroundings(
        panel=Panel(instance.web_socket, token),
        hook_server=hook_server,
        hooks=hooks.install(instance.home / "hooks"),
        repositories=instance.repositories,
        places=Places(
            lens=tree.make_lens(instance.run / "lens.git"),
            sources=instance.sources,
            build_logs=instance.build_logs,
        ),
    )


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener
