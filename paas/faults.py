"""Named points where the fault tests make a part die, wait or fail.

Without `PAAS_FAULTS_DIR` in the environment (always, outside the tests) a
point costs one dictionary look-up. With it, a file `<dir>/<point>` says what
happens the next time that point is passed:

* `kill`: the process kills itself with SIGKILL;
* `pause`: the file is renamed to `<point>.hit`, and the process waits until
  somebody removes that, at most 60 s: the test kills another part meanwhile;
* `full`: the point raises the error of a full disk.

Each file works once. Standard library only: the gateway uses it too.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

_PAUSE_LIMIT = 60.0


def point(name: str) -> None:
    """Pass the fault point `name`.

    Raises:
        OSError: ENOSPC, if the test asked for a full disk here.
    """
    folder = os.environ.get("PAAS_FAULTS_DIR")
    if folder:
        _act(Path(folder) / name)


def _act(order: Path) -> None:
    try:
        action = order.read_text().strip()
        hit = order.rename(order.with_name(order.name + ".hit"))
    except FileNotFoundError:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    deadline = time.monotonic() + _PAUSE_LIMIT
    while hit.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
