"""Starting, limiting and ending sandboxed commands."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from paas import sandbox
from paas.sandbox import (
    Isolation,
    Overlay,
    Sandbox,
    SandboxError,
    cgroups,
    make_folder,
    uid_for,
    users,
)
from tests.sandbox.conftest import ROOT, Box

COMMAND = sys.modules["paas.sandbox.command"]  # the package's `command` is its function


@pytest.mark.parametrize(
    ("command", "status"),
    [("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), ("nonexistent-program", 127)],
)
def test_exit_statuses_are_the_shells(box: Box, command: str, status: int) -> None:
    assert box.run(command)["status"] == status


def test_a_program_that_is_not_there_is_named(box: Box) -> None:
    answer = box.run("", argv=["no-such-program", "x"])
    assert answer["status"] == 127
    assert "no-such-program: not found" in answer["output"]


def test_writes_to_the_app_vanish(box: Box) -> None:
    (box.lower / "file").write_text("old")
    box.give(box.lower)
    if box.who == "root":
        uid = uid_for(1, box.home)
        assert uid is not None
        os.chown(box.lower, uid, uid)
        os.chown(box.lower / "file", uid, uid)
    overlay = [str(box.lower), str(box.scratch)]
    for _ in range(2):  # the second start in the same scratch folder begins afresh
        answer = box.run("cat file; ls; echo new >file; echo x >other", overlay=overlay, cwd="/app")
        assert answer["output"] == "oldfile\n"
        assert answer["status"] == 0
    assert (box.lower / "file").read_text() == "old"
    assert [path.name for path in box.lower.iterdir()] == ["file"]


def test_where_there_is_no_overlay_the_app_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(COMMAND, "overlay_works", lambda folder: False)
    uid = uid_for(1, tmp_path)
    lower, scratch = make_folder(tmp_path / "app", uid), make_folder(tmp_path / "scratch", None)
    (lower / "file").write_text("old")
    box = Sandbox(f"test-copy-{os.getpid()}", overlay=Overlay(lower, scratch, "/app"), uid=uid)
    child = sandbox.start(box, ["sh", "-c", "cat file; echo x >new"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as output:
        assert output.read() == b"old"
    assert child.wait() == 0
    assert [path.name for path in lower.iterdir()] == ["file"]


def test_without_isolation_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Isolation("none", None, overlay=False, cgroup=0, reason="It is off", fix="Turn it on.")
    monkeypatch.setattr(COMMAND, "probe", lambda: broken)
    with pytest.raises(SandboxError, match=r"It is off\. Turn it on\."):
        sandbox.start(Sandbox("test-none", uid=12_345), ["true"])


def test_memory_is_bounded(box: Box) -> None:
    code = "import time; x = b'x' * (1 << 30); time.sleep(30)"
    answer = box.run(f'python3 -c "{code}"', limits={"memory_mb": 100})
    assert answer["status"] == 137
    assert answer["oom_killed"]


def test_a_fork_bomb_is_contained(box: Box) -> None:
    code = (
        "import os, time\n"
        "for n in range(300):\n"
        "    try:\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "    except BlockingIOError: break\n"
        "print('forked', n)\n"
    )
    answer = box.run("", argv=["python3", "-c", code], limits={"processes": 40})
    assert answer["members_left"] == 0
    if answer["status"] == 0:  # refused by the kernel; else ended by the watchdog
        assert int(answer["output"].split()[1]) <= 40


def test_who_daemonises_dies_with_the_command(box: Box) -> None:
    mark = f"61.{uuid.uuid4().int % 10**9}"
    answer = box.run(
        f"setsid sh -c '(sleep {mark} &)' </dev/null >/dev/null 2>&1; sleep 0.2; exit 0"
    )
    assert answer["status"] == 0
    assert not _running(mark)
    assert not answer["group_left"]


def test_stop_lets_every_process_end_by_itself(box: Box) -> None:
    command = "trap 'echo bye; exit 0' TERM; sleep 60 & echo up; wait"
    answer = box.run(command, stop_after=20.0)
    assert answer["first"] == "up\n"
    assert answer["members"] == 2
    assert answer["output"] == "bye\n"
    assert answer["status"] == 0


def test_who_ignores_sigterm_is_killed(box: Box) -> None:
    answer = box.run("trap '' TERM; echo up; while :; do sleep 1; done", stop_after=0.3)
    assert answer["status"] == 137
    assert answer["members_left"] == 0


def test_limits_of_files(box: Box) -> None:
    answer = box.run(
        "ulimit -c; ulimit -n; head -c 3000000 /dev/zero >/tmp/big",
        limits={"file_mb": 1, "open_files": 128},
    )
    assert answer["output"].split()[:2] == ["0", "128"]
    assert answer["status"] != 0


def test_a_launcher_can_become_the_command() -> None:
    code = (
        "import sys; from pathlib import Path; from paas import sandbox\n"
        "box = sandbox.Sandbox(sys.argv[1], cwd='/', environment={'WORD': 'hello'},"
        " uid=sandbox.uid_for(1, Path('/')))\n"
        "sandbox.command(box, ['sh', '-c', 'echo $WORD']).exec()\n"
    )
    name = f"test-launcher-{os.getpid()}"
    done = subprocess.run(
        [sys.executable, "-c", code, name], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    sandbox.forget(name)
    assert done.stdout == "hello\n", done.stderr
    assert sandbox.usage(name) is None


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_never_runs_anything_as_root() -> None:
    for uid in (None, 0):
        with pytest.raises(SandboxError, match="uid"):
            sandbox.command(Sandbox("test-root", uid=uid), ["true"])


def test_old_empty_control_groups_are_removed() -> None:
    place = cgroups.hierarchy()
    if place is None:
        pytest.skip("no control groups here")
    folder = place.folders["memory"] / f"test-old-{os.getpid()}"
    fresh = place.folders["memory"] / f"test-fresh-{os.getpid()}"
    folder.mkdir()
    fresh.mkdir()
    os.utime(folder, (0, 0))
    cgroups.hierarchy.cache_clear()
    cgroups.hierarchy()
    assert not folder.exists()
    fresh.rmdir()


def test_users_differ_by_app_and_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(users, "_mapped_users", lambda: 2**32)
    homes = [Path("/srv/one"), Path("/srv/two")]
    found = {uid_for(number, home) for home in homes for number in (0, 1, 2, 65_503)}
    assert len(found) == 8
    with pytest.raises(SandboxError, match="another PAAS_HOME"):
        uid_for(65_504, homes[0])
    monkeypatch.setattr(users, "_mapped_users", lambda: 65_536)
    small = uid_for(1, homes[0])
    assert small is not None
    assert 20_000 <= small < 65_536


def test_a_plain_user_has_no_other_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert uid_for(1, Path("/srv/one")) is None


def _running(mark: str) -> bool:
    found = Path("/proc").glob("[0-9]*/cmdline")
    return any(mark.encode() in _read(path) for path in found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
