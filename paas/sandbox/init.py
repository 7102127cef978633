"""The first program of ours inside a sandbox: takes the order and becomes the user's command.

bubblewrap and setpriv run with an empty environment, because the user's could
steer them (LD_PRELOAD) and would show in process lists. So the environment
comes as JSON through an inherited file descriptor and is put in place here,
after the privileges are gone. Standard library only: the panel's interpreter
runs it with -I -S.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

NOT_EXECUTABLE = 126
NOT_FOUND = 127


def main(descriptor: int) -> NoReturn:
    """Read the order from `descriptor` and exec it; the exit statuses are the shell's."""
    with open(descriptor, "rb") as file:
        order: dict[str, Any] = json.load(file)
    _limit(order)
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


def _fail(text: str, status: int) -> NoReturn:
    sys.stderr.write(text + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
