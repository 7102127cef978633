"""From a build and from an app, nothing of the panel or of another app can be read."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.parts import processes
from tests.e2e.world import World

CANARY = "canary-5d1f0c7e-value"

SPY = """
import http.server, json, os, socket, subprocess
from pathlib import Path

TARGETS = json.loads(Path("targets.json").read_text())

def attempt(kind, target):
    try:
        if kind == "read":
            return Path(target).read_bytes()[:200].decode(errors="replace")
        if kind == "list":
            return str(os.listdir(target))
        if kind == "connect":
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(2); s.connect(target)
            return "connected"
        if kind == "write":
            Path(target).write_text("x"); return "written"
    except Exception as error:
        return "refused: " + type(error).__name__

def spy():
    seen = {f"{k} {t}": attempt(k, t) for k, t in TARGETS}
    me = {p for p in os.listdir("/proc") if p.isdigit()}
    seen["processes"] = {
        p: attempt("read", f"/proc/{p}/cmdline") for p in me
    }
    others = me - {str(os.getpid())}
    seen["environments"] = {p: attempt("read", f"/proc/{p}/environ") for p in others}
    seen["uid"] = os.getuid()
    return seen
"""
APP = (
    SPY
    + """
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(spy() if self.path == "/spy" else "up").encode()
        self.send_response(200); self.end_headers(); self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *a): pass

if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), H).serve_forever()
"""
)


@pytest.fixture(scope="module")
def neighbour(world: World) -> Path:
    """Another app with a secret in its config and a file of its own."""
    app = world.repository("procfile", "neighbour")
    world.paas("create", "neighbour", cwd=app)
    world.git("push", "paas", "main", cwd=app)
    world.paas("config:set", f"SECRET={CANARY}", cwd=app)
    return app


@pytest.fixture(scope="module")
def targets(world: World, neighbour: Path) -> list[tuple[str, str]]:
    home, run = world.home, _run_folder(world)
    (home / "canary.txt").write_text(CANARY)
    (world.folder / "canary.txt").write_text(CANARY)
    sockets = [str(path) for path in run.rglob("*") if path.is_socket()]
    assert sockets, "there are sockets to try"
    return [
        *[("read", str(home / name)) for name in ("canary.txt", "db.sqlite3", "credentials.json")],
        ("read", str(home / "keys" / "config_keys")),
        ("read", str(world.folder / "canary.txt")),
        ("read", "/etc/shadow"),
        ("list", str(home)),
        ("list", str(home / "artifacts")),
        ("list", str(run)),
        ("list", str(Path.home())),
        ("write", str(home / "pwned")),
        ("write", "/usr/pwned"),
        *[("connect", path) for path in sockets],
    ]


def _run_folder(world: World) -> Path:
    from paas.instance import current

    return current(world.environment).run


def _way_to_python() -> str:
    """All that may show of $HOME: the folder an interpreter that lies there is mounted in."""
    interpreter = Path(sys.executable).resolve()
    if not interpreter.is_relative_to(Path.home()):
        return "[]"
    return str([interpreter.relative_to(Path.home()).parts[0]])


def _check(seen: dict[str, object]) -> None:
    for attempt, outcome in seen.items():
        if attempt in ("processes", "environments", "uid"):
            continue
        if attempt == f"list {Path.home()}":
            assert outcome in ("refused: FileNotFoundError", _way_to_python()), outcome
        else:
            assert str(outcome).startswith("refused"), f"{attempt}: {outcome}"
    text = json.dumps(seen)
    assert CANARY not in text
    assert "celery" not in text and "gunicorn" not in text and "supervisord" not in text
    assert seen["uid"] != 0


def test_from_an_app(world, targets):
    app = world.folder / "spy"
    app.mkdir()
    world.git("init", "-q", "-b", "main", cwd=app)
    (app / "spy.py").write_text(APP)
    (app / "targets.json").write_text(json.dumps(targets))
    (app / "Procfile").write_text("web: python3 spy.py\n")
    world.commit(app, "spy")
    world.paas("create", "spy", cwd=app)
    world.git("push", "paas", "main", cwd=app)
    _check(json.loads(world.get("/spy", app="spy").body))


def test_from_an_attached_one_off(world, targets):
    """In the app of the test before; the client that waits must show nothing either."""
    app = world.folder / "spy"
    code = "import json, spy; print(json.dumps(spy.spy()))"
    _check(json.loads(world.paas("run", "python3", "-c", code, cwd=app).stdout))


def test_from_a_build(world, targets):
    app = world.folder / "spybuild"
    app.mkdir()
    world.git("init", "-q", "-b", "main", cwd=app)
    (app / "spy.py").write_text(APP)
    (app / "spybuild.py").write_text(
        "import json\nfrom pathlib import Path\nimport spy\n"
        "Path('seen.json').write_text(json.dumps(spy.spy()))\n"
    )
    (app / "targets.json").write_text(json.dumps(targets))
    (app / "Procfile").write_text("web: python3 -m http.server $PORT\n")
    (app / "nixpacks.toml").write_text('[phases.build]\ncmds = ["python3 spybuild.py"]\n')
    world.commit(app, "spy")
    world.paas("create", "spybuild", cwd=app)
    world.git("push", "paas", "main", cwd=app)
    _check(json.loads(world.get("/seen.json", app="spybuild").body))


def test_a_secret_is_in_no_log_file_and_no_process_list(world, neighbour):
    world.paas("config:set", "OTHER=1", cwd=neighbour)
    world.git("commit", "-q", "--allow-empty", "-m", "again", cwd=neighbour)
    world.git("push", "paas", "main", cwd=neighbour)
    needle = CANARY.encode()
    for path in world.home.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "canary.txt":
            assert needle not in path.read_bytes(), path
    for process in processes(world):
        try:
            assert CANARY not in " ".join(process.cmdline())
        except psutil.Error:
            continue
    for page in ("/apps/neighbour", "/apps/neighbour/releases", "/apps/neighbour/builds/latest"):
        assert CANARY not in json.dumps(world.api("GET", page))


def test_environments_are_for_their_owner_only(world, neighbour):
    """Another uid of this machine reads no process's environment."""
    for process in processes(world):
        path = Path(f"/proc/{process.pid}/environ")
        try:
            owner, mode = path.stat().st_uid, path.stat().st_mode & 0o777
        except OSError:
            continue
        assert mode & 0o077 == 0, (process.pid, owner, oct(mode))


def test_nothing_of_the_run_folder_is_open_to_others(world):
    run = _run_folder(world)
    assert run.stat().st_mode & 0o777 == 0o700
    assert world.home.stat().st_mode & 0o777 == 0o700
    assert re.fullmatch(r"paas-\d+-[0-9a-f]{12}", run.name)
