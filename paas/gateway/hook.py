"""The pre-receive hook: shows the gateway's texts and exits as the gateway says.

git starts it in the middle of a push, as `python -I -S hook.py`: so it is
quick to start, imports the standard library only, and nothing a repository
holds can change what it imports. All logic is in the gateway.
"""

from __future__ import annotations

import json
import os
import socket
import sys

SOCKET_VARIABLE = "PAAS_HOOK_SOCKET"
TOKEN_VARIABLE = "PAAS_HOOK_TOKEN"  # noqa: S105 - a variable's name

_GONE = """\
 !     The gateway stopped while it worked on this push, so the push is rejected.
 !     If the deploy had begun, it goes on: `paas builds` shows how it ended.
 !     Push again in a moment.
"""
_NO_GATEWAY = (
    " !     Pushes go through the gateway only. Push to the address `paas apps:info` shows.\n"
)


def main() -> int:
    """Hand the push over and print what comes back.

    Returns:
        git's exit status: 0 lets the references move, 1 rejects the push.
    """
    address, token = os.environ.get(SOCKET_VARIABLE), os.environ.get(TOKEN_VARIABLE)
    if not address or not token:
        _show(_NO_GATEWAY)
        return 1
    try:
        return _converse(address, token)
    except (OSError, ValueError):
        _show(_GONE)
        return 1


def _converse(address: str, token: str) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(_request(token))
        for line in connection.makefile("rb"):
            message = json.loads(line)
            if "exit" in message:
                return int(message["exit"])
            _show(message["text"])
    raise ConnectionError("the gateway closed the connection without a verdict")


def _request(token: str) -> bytes:
    updates = [_fields(line) for line in sys.stdin.buffer]
    environment = {name: value for name, value in os.environ.items() if name.startswith("GIT_")}
    request = {"token": token, "updates": updates, "environment": environment}
    return json.dumps(request).encode() + b"\n"


def _fields(line: bytes) -> list[str]:
    return line.rstrip(b"\n").decode("utf-8", "surrogateescape").split(" ", 2)


def _show(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
