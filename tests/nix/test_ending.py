"""What ends a command of Nix's before its time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix import activity
from apps.builds.builders.nix.activity import Activities
from apps.builds.builders.nix.realise import realise
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from paas.nix.builders import users_are_gone
from paas.nix.store import Store

CHECKOUT = Path(__file__).resolve().parents[2]
_PARENT = """
import subprocess
from paas.nix.tied import tied
child = subprocess.Popen(tied(["sleep", "600"]), start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def test_it_ends_with_who_runs_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    deadline = time.monotonic() + 10
    while child.name() != "sleep":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone


def _event(**fields: object) -> str:
    return f"@nix {json.dumps(fields, separators=(',', ':'))}"


def test_a_flood_of_short_lines_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "_MOST_LINES", 3)
    lines: list[str] = []
    activities = Activities(BuildLog(lines.append), {})
    path = f"/nix/store/{'a' * 32}-app.drv"
    activities.feed(_event(action="start", id=1, type=105, fields=[path]))
    line = _event(action="result", fields=["y"], id=1, type=101)
    for _ in range(3):
        activities.feed(line)
    assert lines == ["       y"] * 3
    with pytest.raises(BuildFailed, match="printed more than 3 lines"):
        activities.feed(line)


_FORGETFUL = """\
#!/bin/sh
# Nix, in whose midst somebody adds a user to the machine, once.
test -e {mark} && echo /nix/store/done && exit 0
touch {mark}
echo '{error}' >&2
exit 1
"""


@pytest.mark.parametrize(
    "said",
    [
        "the group 'paas-nixbld' specified in 'build-users-group' does not exist",
        "the user 'paas-nixbld7' in the group 'paas-nixbld' does not exist",
    ],
)
def test_it_goes_on_when_its_users_are_gone(store: Store, tmp_path: Path, said: str) -> None:
    program = tmp_path / "forgetful"
    error = _event(action="msg", level=0, msg=said).replace("'", "'\\''")
    program.write_text(_FORGETFUL.format(mark=tmp_path / "mark", error=error))
    program.chmod(0o755)
    activities = Activities(BuildLog(lambda _line: None), {})
    guard = Guard(threading.Event(), tmp_path)
    done = realise(store, [str(program)], activities, guard, name="nix-forgetful", tmp=tmp_path)
    assert done.paths == ("/nix/store/done",)
    assert activities.errors == []


def test_a_builder_cannot_say_that_its_users_are_gone() -> None:
    lost = "the group 'paas-nixbld' specified in 'build-users-group' does not exist"
    assert users_are_gone(lost) and users_are_gone(f"error: {lost}")
    assert not users_are_gone(f"builder for '/nix/store/x.drv' failed; last lines: > {lost}")
