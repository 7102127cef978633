"""Pushes and apps that are wrong: a clear text, the old release goes on, nothing is left over."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.rejected import assert_rejected, push_files, push_tree
from tests.e2e.world import World

SERVER = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"fine")
    do_HEAD = do_GET
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), H).serve_forever()
"""


@pytest.fixture(scope="module")
def app(world: World) -> Path:
    """An app that is live and must stay so."""
    folder = world.folder / "bad"
    folder.mkdir()
    world.git("init", "-q", "-b", "main", cwd=folder)
    (folder / "server.py").write_text(SERVER)
    (folder / "Procfile").write_text("web: python3 server.py\n")
    world.name_python(folder)
    world.commit(folder, "good")
    world.paas("create", "bad-input", cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    return folder


def _assert_rejected(world: World, pushed: subprocess.CompletedProcess[str], *texts: str) -> None:
    assert_rejected(pushed, *texts)
    assert world.get(app="bad-input").body == "fine", "the old release goes on"


@pytest.mark.parametrize(
    ("procfile", "text"),
    [
        ("no colon here\n", "Procfile"),
        ("we b: python3 server.py\n", "Procfile"),
        ("web:\n", "Procfile"),
        ("web: a\nweb: b\n", "Procfile"),
    ],
)
def test_a_broken_procfile_is_told(world, app, procfile, text):
    _assert_rejected(world, push_files(world, app, {"Procfile": procfile}), text)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("raise SystemExit(3)\n", ["web.1", "status 3"]),
        ("print('goodbye')\n", ["web.1"]),
        (SERVER.replace('int(os.environ["PORT"])', "34567"), ["34567", "PORT"]),
        ("import os, time\nif os.fork(): raise SystemExit(0)\ntime.sleep(600)\n", ["web.1"]),
        ("x = b'x'\nwhile True: x += bytes(10_000_000)\n", ["web.1", "memory"]),
        ("import os\nos.kill(os.getpid(), 11)\n", ["web.1"]),
    ],
    ids=["exits", "ends", "other-port", "forks-away", "eats-memory", "segfaults"],
)
def test_an_app_that_does_not_serve_is_rejected(world, app, source, texts):
    _assert_rejected(world, push_files(world, app, {"server.py": source}), *texts)


def test_unresolvable_requirements_are_told(world, app):
    files = {"requirements.txt": "no-such-package-at-all==99.99\n"}
    _assert_rejected(world, push_files(world, app, files), "no-such-package-at-all")


def test_a_procfile_full_of_metacharacters_is_data(world, app):
    marker = world.folder / "pwned"
    procfile = f"web: python3 server.py # ; touch {marker} $(touch {marker}) `id` | & % {{}} \\\n"
    pushed = push_files(world, app, {"Procfile": procfile})
    assert pushed.returncode == 0, pushed.stderr
    assert not marker.exists()
    assert world.get(app="bad-input").body == "fine"


def test_links_out_of_the_tree_are_refused(world, app):
    (app / "secrets").symlink_to(world.home / "keys")
    _assert_rejected(world, push_tree(world, app), "secrets")
    (app / "up").symlink_to("../../..")
    _assert_rejected(world, push_tree(world, app), "up")


def test_links_inside_the_tree_are_fine(world, app):
    (app / "docs").mkdir()
    (app / "docs" / "code.py").symlink_to("../server.py")
    assert push_tree(world, app).returncode == 0


def test_odd_file_names_are_fine(world, app):
    for name in ["it's", 'a "b"', "new\nline", "50%", "$(id)", "-rf", "ünïcödé", " "]:
        (app / name).write_text("x")
    assert push_tree(world, app).returncode == 0


def test_ten_thousand_files(world, app):
    for number in range(10_000):
        path = app / "many" / str(number % 100) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    assert push_tree(world, app).returncode == 0


def test_a_submodule_is_named(world, app):
    (app / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ./elsewhere\n')
    world.git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},lib", cwd=app)
    world.git("add", ".gitmodules", cwd=app)
    world.git("commit", "-q", "-m", "submodule", cwd=app)
    pushed = world.git("push", "-f", "paas", "main", cwd=app, check=False)
    world.git("reset", "-q", "--hard", "HEAD~1", cwd=app)
    assert "lib" in pushed.stderr and "ubmodule" in pushed.stderr


def test_an_app_that_floods_its_log_harms_nobody(world, app):
    flood = SERVER + "\n"
    noisy = (
        "import threading\n"
        "def flood():\n"
        "    while True: print('x' * 200)\n"
        "threading.Thread(target=flood, daemon=True).start()\n"
    )
    assert push_files(world, app, {"server.py": noisy + flood}).returncode == 0
    other = world.repository("procfile", "beside-a-flood")
    world.paas("create", "beside-a-flood", cwd=other)
    world.git("push", "paas", "main", cwd=other)
    assert world.get(app="beside-a-flood").status == 200
    assert world.get(app="bad-input").status == 200
    size = sum(p.stat().st_size for p in (world.home / "logs" / "apps").rglob("*") if p.is_file())
    assert size < 200 * 1024 * 1024
    world.paas("apps:destroy", "--confirm", "beside-a-flood", cwd=other)
    assert push_files(world, app, {"server.py": SERVER + "\n#quiet\n"}).returncode == 0


def test_an_app_that_ignores_sigterm_is_stopped_after_the_switch(world, app):
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
    assert push_files(world, app, {"server.py": stubborn}).returncode == 0
    assert push_files(world, app, {"server.py": SERVER + "# polite\n"}).returncode == 0
    assert world.get(app="bad-input").body == "fine"


METACHARACTERS = ["a;id", "$(id)", "`id`", "a b", "../x", "-x", "a\nb", "%00", "a'b", 'a"b', "é"]


@pytest.mark.parametrize("text", METACHARACTERS)
def test_metacharacters_in_every_identifier(world, app, text):
    for arguments in (
        ["apps:info", "-a", text],
        ["create", "--", text],
        ["config:set", "-a", "bad-input", f"{text}=1"],
        ["ps:scale", "-a", "bad-input", f"{text}=1"],
        ["ps:restart", "-a", "bad-input", "--", text],
        ["rollback", "-a", "bad-input", "--", text],
        ["releases:info", "-a", "bad-input", "--", text],
        ["builds:info", "-a", "bad-input", "--", text],
        ["builds:cancel", "-a", "bad-input", "--", text],
    ):
        done = world.paas(*arguments, check=False)
        assert done.returncode in (1, 2), (arguments, done)
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()


def test_a_config_value_is_bytes_not_code(world, app):
    value = "$(touch /tmp/x); `id` 'q' \"d\" %s\n\\second line é"
    world.paas("config:set", f"ODD={value}", cwd=app)
    shown = world.paas("config", "--json", cwd=app).stdout
    import json

    assert json.loads(shown)["ODD"] == value
    world.paas("config:unset", "ODD", cwd=app)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_what_git_cannot_hold_is_not_pushed(world, app):
    os.mkfifo(app / "fifo")
    pushed = world.git("status", "--porcelain", cwd=app)
    (app / "fifo").unlink()
    assert "fifo" not in pushed.stdout
