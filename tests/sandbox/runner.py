"""Runs one sandboxed command as whoever starts it; reads the order from stdin, answers in JSON.

Its own program, so that the tests can have it run as root and as a plain user.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from paas import sandbox
from paas.sandbox import Bind, Limits, Overlay, Root, Sandbox, SandboxError, cgroups


def main() -> None:
    order: dict[str, Any] = json.load(sys.stdin)
    try:
        answer = _run(order)
    except SandboxError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


def _run(order: dict[str, Any]) -> dict[str, Any]:
    box = _sandbox(order)
    child = sandbox.start(box, order["argv"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    started = time.monotonic()
    seen: dict[str, Any] = {}
    if order.get("stop_after") is not None:
        assert child.stdout is not None
        seen["first"] = child.stdout.readline().decode()
        seen["members"] = len(sandbox.members(child.pid))
        seen["outside"] = _outside(child.pid)
        child.stop(order["stop_after"])
    assert child.stdout is not None
    output = child.stdout.read().decode(errors="replace")
    status = child.wait(60)
    return seen | {
        "status": status,
        "output": output,
        "seconds": time.monotonic() - started,
        "oom_killed": child.oom_killed,
        "members_left": len(sandbox.members(child.pid)),
        "group_left": cgroups.find(box.name) is not None,
    }


def _outside(pid: int) -> str:
    """What process lists show of the sandbox's outer part and its first process."""
    shown = ""
    for one in (pid, *sandbox.processes.children(pid)):
        for name in ("cmdline", "environ"):
            shown += Path(f"/proc/{one}/{name}").read_text(errors="replace")
    return shown


def _sandbox(order: dict[str, Any]) -> Sandbox:
    home = Path(order["home"])
    overlay = order.get("overlay")
    return Sandbox(
        name=order["name"],
        binds=tuple(Bind(Path(s), t, w) for s, t, w in order.get("binds", ())),
        overlay=_overlay(*overlay) if overlay else None,
        root=Root(order["root"]) if "root" in order else None,
        cwd=order.get("cwd", "/"),
        environment=order.get("environment", {}),
        network=order.get("network", False),
        uid=sandbox.uid_for(1, home),
        limits=Limits(**order.get("limits", {})),
    )


def _overlay(lower: str, scratch: str, owned: bool = False) -> Overlay:
    return Overlay(Path(lower), Path(scratch), "/app", owned)


if __name__ == "__main__":
    main()
