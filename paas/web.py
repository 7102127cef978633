"""The panel's HTTP server: gunicorn keeps the processes, uvicorn speaks HTTP in them."""

from __future__ import annotations

from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

_LEAVE = 4  # seconds that streams get at a stop; below gunicorn's --graceful-timeout


class Worker(UvicornWorker):  # type: ignore[misc]  # it carries no types
    """uvicorn as the gateway has it: its parser is written in C, gunicorn's own in Python.

    The front door has said already where a request came from.
    """

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "http": "httptools",
        "ws": "none",
        "loop": "asyncio",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": _LEAVE,
    }
