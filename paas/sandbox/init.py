"""The first program of ours inside a sandbox: takes the order and becomes the user's command.

bubblewrap and setpriv run with an empty environment, because the user's could
steer them (LD_PRELOAD) and would show in process lists. So the environment
comes as JSON through an inherited file descriptor and is put in place here,
after the privileges are gone. Standard library only: the panel's interpreter
runs it with -I -S.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import sys
import termios
from pathlib import Path
from typing import Any, NoReturn

NOT_EXECUTABLE = 126
NOT_FOUND = 127
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h


def main(descriptor: int) -> NoReturn:
    """Read the order from `descriptor` and exec it; the exit statuses are the shell's."""
    with open(descriptor, "rb") as file:
        order: dict[str, Any] = json.load(file)
    _limit(order)
    if order["root"] is not None:
        _enter(order["root"])
    if order["channel"] is not None:
        _take_streams(order["channel"])
    # Python ignores these two, and that would outlive the exec: `yes | head` would not end.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    argv: list[str] = order["argv"]
    try:
        os.chdir(order["cwd"])
        os.execvpe(argv[0], argv, order["environment"])  # noqa: S606 - no shell by design
    except FileNotFoundError:
        _fail(f"{argv[0]}: not found", NOT_FOUND)
    except OSError as error:
        _fail(f"{argv[0]}: {error.strerror}", NOT_EXECUTABLE)


def _limit(order: dict[str, Any]) -> None:
    os.umask(order["umask"])
    for name, value in order["rlimits"].items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    os.nice(order["nice"])
    # The kernel should rather end an app or a build than the panel.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(order["oom_score"]))


def _enter(root: str) -> None:
    """Make `root` the root, and give up the right to change it again.

    No file outside stays open, and nothing is imported after it.
    """
    import ctypes  # only here: it takes longer to load than all the rest

    libc = ctypes.CDLL(None, use_errno=True)
    os.chroot(root)
    os.chdir("/")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; and so the ambient ones
    if libc.capset(header, none) != 0:
        sys.exit(f"capset: {os.strerror(ctypes.get_errno())}")


def _take_streams(descriptor: int) -> None:
    """Make a terminal or pipes, hand out their far ends over `descriptor`, use the near ones.

    They are made in here so that they belong to the app's user and that the
    terminal has a name in the sandbox's own /dev/pts. What is wanted comes as
    a line of JSON: `{"terminal": {"columns", "lines"} | null}`.
    """
    with socket.socket(fileno=descriptor) as channel:
        with channel.makefile("rb") as lines:
            wanted: dict[str, int] | None = json.loads(lines.readline())["terminal"]
        near, far = _terminal(wanted) if wanted else _pipes()
        socket.send_fds(channel, [b"."], far)
    for number, stream in enumerate(near):
        os.dup2(stream, number)
    for stream in {*near, *far}:
        os.close(stream)


def _terminal(size: dict[str, int]) -> tuple[list[int], list[int]]:
    """A terminal that is this process's own: Ctrl-C and the end of the session reach it."""
    far, near = os.openpty()
    os.setsid()
    fcntl.ioctl(near, termios.TIOCSCTTY, 0)
    termios.tcsetwinsize(near, (size["lines"], size["columns"]))
    return [near, near, near], [far]


def _pipes() -> tuple[list[int], list[int]]:
    """Pipes for standard input, output and errors."""
    (near_in, far_in), (far_out, near_out), (far_err, near_err) = os.pipe(), os.pipe(), os.pipe()
    return [near_in, near_out, near_err], [far_in, far_out, far_err]


def _fail(text: str, status: int) -> NoReturn:
    sys.stderr.write(text + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
