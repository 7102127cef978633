"""`paas run` with a real terminal, and Heroku's rendezvous protocol: the running product."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import psutil
import pytest

from tests.e2e import parts
from tests.e2e.world import World

NAME = "one-offs"
PROMPT = r"\$ $"
MARKED = '; echo "\uffff heroku-command-exit-status: $?"'
BINARY = os.urandom(10 * 1024 * 1024)


@pytest.fixture(scope="module")
def app(world: World) -> Path:
    folder = world.repository("procfile", NAME)
    world.paas("create", NAME, cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    world.paas("config:set", "MARK=from-the-config", cwd=folder)
    return folder


@pytest.fixture
def terminal(world: World, app: Path) -> Iterator[Callable[..., pexpect.spawn[str]]]:
    """`terminal("bash")` is `paas run bash` in a terminal of 100 × 30."""
    spawned: list[pexpect.spawn[str]] = []

    def run(*command: str) -> pexpect.spawn[str]:
        child = pexpect.spawn(
            "paas",
            ["run", *command],
            cwd=str(app),
            env={**world.environment, "TERM": "vt100", "PS1": "$ "},  # type: ignore[arg-type]
            dimensions=(30, 100),
            timeout=30,
            encoding="utf-8",
        )
        spawned.append(child)
        return child

    yield run
    for child in spawned:
        child.close(force=True)


def status_of(child: pexpect.spawn[str]) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def eventually(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came about: {what}"
        time.sleep(0.1)


def is_running(world: World, mark: str) -> bool:
    """Whether a process that has `mark` among its arguments runs in the instance."""
    for process in parts.processes(world):
        try:
            if mark in process.cmdline():
                return True
        except psutil.Error:
            continue
    return False


def one_offs(world: World) -> list[str]:
    _, dynos = world.api("GET", f"/apps/{NAME}/dynos")
    return [dyno["name"] for dyno in dynos if dyno["name"].startswith("run.")]  # type: ignore[attr-defined]


def nothing_left(world: World) -> None:
    eventually(lambda: not one_offs(world), "no one-off is listed")
    eventually(lambda: not list((world.home / "local/scratch").glob("*.run.*")), "no file is left")


# --- a terminal -----------------------------------------------------------------
def test_a_shell(terminal):
    shell = terminal("bash", "--norc", "-i")
    shell.expect("up, run.")
    shell.expect(PROMPT)
    shell.sendline("test -t 0 && test -t 1 && test -t 2 && tty; stty size; echo $TERM:$MARK")
    shell.expect("/dev/pts/0\r\n30 100\r\nvt100:from-the-config\r\n")
    shell.setwinsize(41, 121)
    shell.sendline("until test \"$(stty size)\" = '41 121'; do sleep 0.1; done; echo resiz'ed'")
    shell.expect("resized\r\n")
    shell.sendline("sleep 1000")
    shell.expect("sleep 1000\r\n")
    time.sleep(0.3)  # until it is bash's foreground job
    shell.sendintr()
    shell.expect(PROMPT)
    shell.sendline("echo alive: $((6*7)) after $?")
    shell.expect("alive: 42 after 130")
    shell.sendline("exit 5")
    assert status_of(shell) == 5


def test_ctrl_d_ends_a_shell(terminal):
    shell = terminal("bash", "--norc", "-i")
    shell.expect(PROMPT)
    shell.sendeof()
    assert status_of(shell) == 0


def test_ctrl_c_ends_what_does_not_catch_it(terminal):
    sleeping = terminal("echo ready; exec sleep 1000")
    sleeping.expect("ready\r\n")
    sleeping.sendintr()
    assert status_of(sleeping) == 128 + signal.SIGINT


def test_the_terminal_is_afterwards_as_it_was(world, app):
    shell = pexpect.spawn(
        "bash", ["--norc"], cwd=str(app), env=world.environment, encoding="utf-8", timeout=30
    )
    try:
        shell.sendline(
            'before=$(stty -g); paas run true; test "$before" = "$(stty -g)" && echo sa\'me\''
        )
        shell.expect("same\r\n")
    finally:
        shell.close(force=True)


# --- pipes ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("nothere", 127)]
)
def test_the_exit_status_is_the_commands(world, app, command, status):
    assert world.paas("run", command, cwd=app, check=False).returncode == status


def test_input_and_errors_pass_through(world, app):
    done = subprocess.run(
        ["paas", "run", "--size", "standard-2x", "-e", "EXTRA=1", "cat; echo $EXTRA; echo no >&2"],
        cwd=app,
        env=world.environment,
        input="hi\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("hi\n1\n", 0)
    assert done.stderr.endswith("\nno\n")


def test_bytes_pass_as_they_are(world, app, tmp_path):
    (tmp_path / "in").write_bytes(BINARY)
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as target:
        subprocess.run(
            ["paas", "run", "cat"], cwd=app, env=world.environment, stdin=source, stdout=target,
            check=True, timeout=120,
        )  # fmt: skip
    found = hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest()
    assert found == hashlib.sha256(BINARY).hexdigest()


def test_a_full_disk_at_the_reader_is_told(world, app):
    done = world.shell(["bash", "-c", "paas run 'echo x' > /dev/full"], cwd=app, check=False)
    assert done.returncode == 1 and "No space left" in done.stderr


def test_a_reader_that_leaves_ends_it(world, app):
    line = "paas run 'exec yes leaving' | head -n 1"
    done = world.shell(["bash", "-c", line], cwd=app, check=True)
    assert done.stdout == "leaving\n", done.stderr
    eventually(lambda: not is_running(world, "leaving"), "yes has ended")


# --- looking and stopping ------------------------------------------------------------
def test_it_is_listed_stopped_and_logged(world, app, terminal):
    sleeping = terminal("sleep", "1001")
    sleeping.expect(r"up, (run\.\d+)")
    name = sleeping.match[1]
    eventually(lambda: name in world.paas("ps", cwd=app).stdout, f"{name} is listed")
    world.paas("ps:stop", name, cwd=app)
    assert status_of(sleeping) == 128 + signal.SIGTERM
    eventually(
        lambda: f"paas[{name}]: Process exited with status 143" in _log(world, app),
        "its end is told",
    )
    assert f"Starting process {name} by user admin@localhost" in _log(world, app)
    assert world.paas("ps:stop", "run.9999", cwd=app, check=False).returncode == 1


def test_stopping_a_process_of_the_formation_makes_a_fresh_one(world, app):
    def made() -> str:
        _, dynos = world.api("GET", f"/apps/{NAME}/dynos")
        return next(str(d["created_at"]) for d in dynos if d["name"] == "web.1")  # type: ignore[attr-defined]

    before = made()
    world.paas("ps:stop", "web.1", cwd=app)
    eventually(lambda: made() > before, "web.1 is a fresh one")


# --- what dies takes nothing with it but the session -----------------------------------
@pytest.mark.parametrize("options", [(), ("--no-tty",)])
def test_a_killed_client_ends_it(world, app, terminal, options):
    sleeping = terminal(*options, "trap '' HUP; echo ready; sleep 1002")
    sleeping.expect("ready\r\n")
    eventually(lambda: is_running(world, "1002"), "sleep runs")
    os.kill(sleeping.pid, signal.SIGKILL)
    eventually(lambda: not is_running(world, "1002"), "the process has ended", seconds=15)
    nothing_left(world)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_a_client_without_terminal_ends_it(world, app, number):
    client = subprocess.Popen(
        ["paas", "run", "echo ready; exec sleep 1005"],
        cwd=app,
        env=world.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with client:
        assert client.stdout is not None and client.stdout.readline() == b"ready\n"
        client.send_signal(number)
        assert client.wait(30) == 128 + number
    eventually(lambda: not is_running(world, "1005"), "sleep has ended")


def test_it_ends_with_the_right_of_its_user(world, app):
    """Somebody may operate, runs a process, and is removed while it goes on."""
    mate = "operator@example.org"
    password = world.paas("users:create", mate).stdout.split("Password:")[1].split()[0]
    world.paas("access:add", mate, "-a", NAME, "-p", "operate")
    _, login = world.api("POST", "/auth/login", {"email": mate, "password": password})
    token = login["access_token"]["token"]
    client = subprocess.Popen(
        ["paas", "run", "-a", NAME, "echo ready; exec sleep 1012"],
        env={**world.environment, "PAAS_URL": world.origin, "PAAS_TOKEN": token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert client.stdout.readline() == "ready\n"
        time.sleep(4)
        assert client.poll() is None and is_running(world, "1012"), "it goes on while they may"
        world.paas("access:remove", mate, "-a", NAME)
        _, said = client.communicate(timeout=30)
    finally:
        client.kill()
    assert client.returncode == 1 and "you may no longer run processes" in said
    eventually(lambda: not is_running(world, "1012"), "the process has ended")
    nothing_left(world)


def test_killed_parts(world, app, terminal):
    """Web and worker are not needed by a session; with the gateway it ends, and says so."""
    shell = terminal("bash", "--norc", "-i")
    shell.expect(PROMPT)
    for part in ("web", "worker"):
        parts.kill(world, part)
    shell.sendline("echo still $((40+2))")
    shell.expect("still 42")
    world.wait_healthy()
    shell.sendline("exec sleep 1003")
    eventually(lambda: is_running(world, "1003"), "sleep runs")
    parts.kill(world, "gateway")
    shell.expect("broke off")
    assert status_of(shell) == 1
    eventually(lambda: not is_running(world, "1003"), "the process has ended")
    nothing_left(world)
    world.wait_healthy()
    eventually(
        lambda: world.paas("run", "echo again", cwd=app, check=False).stdout == "again\n",
        "it runs again",
    )


# --- the protocol --------------------------------------------------------------------------
def start(world: World, command: str, **more: object) -> str:
    """The address of a fresh attached one-off."""
    body = {"command": command, "attach": True, **more}
    status, made = world.api("POST", f"/apps/{NAME}/dynos", body)
    assert status == 201, made
    return str(made["attach_url"])  # type: ignore[index]


def meet(world: World, secret: str, host: str = "localhost") -> ssl.SSLSocket:
    """A TLS connection as Heroku's client makes it, by the instance's own authority."""
    context = ssl.create_default_context(cafile=str(world.home / "ca.pem"))
    plain = socket.create_connection((host, world.rendezvous_port), timeout=30)
    connection = context.wrap_socket(plain, server_hostname=host)
    connection.sendall(secret.encode() + b"\r\n")
    return connection


def everything(connection: ssl.SSLSocket) -> bytes:
    found = b""
    while chunk := connection.recv(65536):
        found += chunk
    return found


def test_herokus_protocol(world, app):
    secret = start(world, f"echo one; exit 3{MARKED}").rpartition("/")[2]
    with meet(world, secret, host="127.0.0.1") as connection:
        assert connection.recv(65536) == b"rendezvous\r\n"
        output = everything(connection).decode()
    assert output == "one\r\n\uffff heroku-command-exit-status: 3\n"


def test_herokus_client_without_a_terminal(world, app):
    url = start(world, f"cat; test -t 0 || echo pipe{MARKED}", force_no_tty=True)
    with meet(world, url.rpartition("/")[2]) as connection:
        connection.sendall(b"in\n")
        connection.sendall(b"\x04")
        output = everything(connection).decode()
    assert output == "rendezvous\r\nin\npipe\n\uffff heroku-command-exit-status: 0\n"


def test_a_secret_works_once(world, app):
    secret = start(world, "sleep 1004").rpartition("/")[2]
    with meet(world, secret) as first:
        assert first.recv(65536) == b"rendezvous\r\n"
        eventually(lambda: is_running(world, "1004"), "the first is attached")
        with meet(world, secret) as second:
            assert b"somebody is attached to it already" in everything(second)
        assert is_running(world, "1004")
    eventually(lambda: not is_running(world, "1004"), "it ends with its client")


def test_a_wrong_secret_is_cut_off_without_a_word(world, app):
    secret = start(world, "echo never").rpartition("/")[2]
    with meet(world, secret[:-1] + ("A" if secret[-1] != "A" else "B")) as connection:
        assert everything(connection) == b""


def test_the_authority_is_served_and_its_key_is_kept(world, app):
    assert world.get("/ca.pem").body == (world.home / "ca.pem").read_text()
    key = world.home / "keys" / "ca_key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in world.get("/ca.pem").body
    findings = json.loads(world.paas("doctor", "--json", check=False).stdout)
    assert not [one for one in findings if one["name"] == "run"], "doctor could attach as well"


def test_detached_with_tail(world, app):
    tail = subprocess.Popen(
        ["paas", "run:detached", "--tail", "echo tailed-$((40+2))"],
        cwd=app,
        env=world.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert tail.stdout is not None
        assert any("tailed-42" in line for line in tail.stdout)
    finally:
        tail.kill()
        tail.wait()


def _log(world: World, app: Path) -> str:
    return world.paas("logs", "-n", "200", cwd=app).stdout
