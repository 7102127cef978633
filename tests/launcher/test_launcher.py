"""The real `python -m paas.launcher`, from the first start to Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from paas.keys import CONFIG_KEYS, SECRET_KEY
from paas.launcher.backup import backup, restore
from paas.launcher.memory import measure
from tests.launcher.conftest import Launcher, eventually

Make = Callable[[str], Launcher]

PARTS = {"redis", "caddy", "web", "worker", "gateway", "observer"}
IDLE_MEMORY = 350_000_000  # the product's own bound for everything idle


def _exists(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_comes_up_and_ctrl_c_leaves_nothing(make_launcher: Make) -> None:
    launcher = make_launcher("ho me%d'\"$(x);")
    launcher.start_and_wait()
    assert launcher.healthy
    assert launcher.parts().keys() == PARTS
    pids = [*launcher.parts().values(), *launcher.trees().values()]
    home, run = launcher.instance.home, launcher.instance.run
    password = (home / "admin-password").read_text().strip()
    assert launcher.instance.origin in launcher.said
    assert str(home / "admin-password") in launcher.said
    assert password not in launcher.said
    for private in (home / "credentials.json", *(home / "keys").iterdir(), *run.glob("panel*")):
        assert stat.S_IMODE(private.stat().st_mode) & 0o077 == 0
    assert sum(used for _, used in measure(launcher.instance)) <= IDLE_MEMORY
    assert launcher.interrupt() == 0
    assert not any(_exists(pid) for pid in pids)
    assert not run.exists()
    assert not _listens(launcher.instance.port)
    assert "Traceback" not in launcher.said


def test_every_part_that_is_killed_comes_back(make_launcher: Make) -> None:
    launcher = make_launcher("home")
    launcher.start_and_wait()
    for part in sorted(PARTS):
        before = launcher.parts()[part]
        os.kill(before, signal.SIGKILL)
        eventually(lambda p=part, b=before: launcher.parts().get(p, b) != b, f"{part} is new")  # type: ignore[misc]
    eventually(lambda: launcher.healthy, "healthy again")
    assert launcher.interrupt() == 0


@pytest.mark.parametrize("tree", ["panel", "apps"])
def test_a_tree_that_is_killed_comes_back_alone(make_launcher: Make, tree: str) -> None:
    launcher = make_launcher("home")
    launcher.start_and_wait()
    parts, trees = launcher.parts(), launcher.trees()
    os.kill(trees[tree], signal.SIGKILL)
    eventually(lambda: launcher.trees().get(tree, trees[tree]) != trees[tree], "a new tree")
    eventually(lambda: launcher.parts().keys() == PARTS and launcher.healthy, "healthy again")
    other = "apps" if tree == "panel" else "panel"
    assert launcher.trees()[other] == trees[other]
    if tree == "apps":
        assert launcher.parts() == parts
    else:
        assert not any(_exists(pid) for pid in parts.values())
    assert launcher.interrupt() == 0


def test_nothing_outlives_a_killed_launcher_and_the_next_one_starts(make_launcher: Make) -> None:
    launcher = make_launcher("home")
    launcher.start_and_wait()
    pids = [*launcher.parts().values(), *launcher.trees().values()]
    assert launcher.process is not None
    launcher.process.kill()
    launcher.process.wait()
    launcher.start_and_wait()
    assert launcher.healthy
    assert not any(_exists(pid) for pid in pids)
    assert launcher.interrupt() == 0


def test_the_second_make_up_says_where_the_first_runs(make_launcher: Make) -> None:
    first = make_launcher("home")
    first.start_and_wait()
    parts = first.parts()
    second = Launcher(first.instance.home)
    second.output = second.output.with_suffix(".second")
    second.start()
    assert second.process is not None
    assert second.process.wait(60) == 3
    assert first.instance.origin in second.said
    assert first.parts() == parts
    assert first.interrupt() == 0


def test_two_instances_run_side_by_side(make_launcher: Make) -> None:
    one, two = make_launcher("one"), make_launcher("two")
    one.start()
    two.start_and_wait()
    eventually(lambda: one.healthy, "the first, too")
    assert one.interrupt() == 0
    assert two.healthy
    assert two.interrupt() == 0


def _refusal(launcher: Launcher) -> str:
    launcher.start()
    assert launcher.process is not None
    assert launcher.process.wait(60) == 1
    assert "Traceback" not in launcher.said
    assert not launcher.instance.run.exists()
    return launcher.said


def test_it_refuses_bad_keys_and_a_taken_port(make_launcher: Make) -> None:
    launcher = make_launcher("home")
    launcher.start_and_wait()
    assert launcher.interrupt() == 0
    keys = launcher.instance.keys
    (keys / SECRET_KEY).chmod(0o644)
    assert f"chmod 600 {keys / SECRET_KEY}" in _refusal(launcher)
    (keys / SECRET_KEY).chmod(0o600)
    text = (keys / CONFIG_KEYS).read_text()
    (keys / CONFIG_KEYS).unlink()
    assert "paas restore" in _refusal(launcher)
    assert not (keys / CONFIG_KEYS).exists()
    (keys / CONFIG_KEYS).touch(mode=0o600)
    (keys / CONFIG_KEYS).write_text(text)
    with socket.create_server(("127.0.0.1", launcher.instance.port)):
        assert "PAAS_PORT=" in _refusal(launcher)


def test_a_part_that_keeps_dying_is_named_with_its_last_lines(make_launcher: Make) -> None:
    launcher = make_launcher("home")
    launcher.start_and_wait()
    launcher.instance.gateway_socket.unlink()
    launcher.instance.gateway_socket.mkdir()  # it cannot listen there any more
    os.kill(launcher.parts()["gateway"], signal.SIGKILL)
    eventually(lambda: "gateway keeps dying" in launcher.said, "the gateway is named")
    assert "gateway.sock" in launcher.said
    assert launcher.interrupt() == 0


def test_a_backup_of_the_running_instance_comes_up_elsewhere(
    make_launcher: Make, tmp_path: Path
) -> None:
    first = make_launcher("home")
    first.start_and_wait()
    backup(tmp_path / "backup.tar.gz", artifacts=True, instance=first.instance)
    assert first.interrupt() == 0
    second = make_launcher("new")
    restore(tmp_path / "backup.tar.gz", instance=second.instance)
    second.start_and_wait()
    held = json.loads(second.instance.credentials.read_text())
    assert held == {
        **json.loads(first.instance.credentials.read_text()),
        "url": second.instance.origin,
    }
    request = urllib.request.Request(
        f"{second.instance.origin}/account", headers={"Authorization": f"Bearer {held['token']}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["email"] == "admin@localhost"
    assert second.interrupt() == 0


def test_doctor_sees_every_part(make_launcher: Make) -> None:
    launcher = make_launcher("home")
    launcher.start_and_wait()
    done = subprocess.run(
        [launcher.python, "-c", "from paas.launcher.doctor import main; exit(main(json=True))"],
        # As from another shell: the ports are not set there.
        env={k: v for k, v in launcher.environment.items() if not k.endswith("_PORT")},
        capture_output=True,
        text=True,
        check=False,
    )
    found = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert all(found[part]["level"] == "ok" for part in ("worker", "gateway", "observer", "caddy"))
    os.kill(launcher.trees()["panel"], signal.SIGSTOP)
    os.kill(launcher.parts()["caddy"], signal.SIGKILL)
    assert subprocess.run(done.args, env=launcher.environment, check=False).returncode == 1
    os.kill(launcher.trees()["panel"], signal.SIGCONT)
    assert launcher.interrupt() == 0
