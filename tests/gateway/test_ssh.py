"""SSH itself, with OpenSSH's own clients: who comes in, and that there is nothing but git."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.gateway.panel import ALICE, STRANGER, VIEWER, FakePanel
from tests.gateway.test_gone import push_body
from tests.gateway.world import PATIENCE, Person, SshDoor, free_port, refs, wait_for

ONLY_GIT = "There is no shell here, only git"


@pytest.fixture
def door(ssh_door: SshDoor) -> SshDoor:
    return ssh_door


def run(
    command: list[str | Path], given: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environ},
        timeout=PATIENCE,
        check=False,
    )


# --- who --------------------------------------------------------------------
def test_somebody_without_a_command_is_greeted_by_name(door: SshDoor) -> None:
    greeted = run(door.command(ALICE))
    assert greeted.returncode == 0
    assert "Hello alice@example.com" in greeted.stdout
    assert f"git push ssh://git@localhost:{door.port}/NAME.git main" in greeted.stdout


def test_at_a_terminal_there_is_a_greeting_too(door: SshDoor) -> None:
    command, *arguments = door.command(ALICE)
    with pexpect.spawn(command, arguments, timeout=PATIENCE, encoding="utf-8") as terminal:
        terminal.expect(ONLY_GIT)
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0


def test_the_user_name_does_not_count(door: SshDoor) -> None:
    assert "alice@example.com" in run([*door.command(ALICE)[:-1], "root@127.0.0.1"]).stdout


@pytest.mark.parametrize(
    "options",
    [("-t", "ecdsa"), ("-t", "ecdsa", "-b", "384"), ("-t", "ecdsa", "-b", "521"), ("-t", "rsa")],
)
def test_every_kind_of_key_opens(door: SshDoor, panel: FakePanel, options: tuple[str, ...]) -> None:
    name = "".join(options)
    panel.keys[door.make_key(name, *options)] = ALICE
    assert "alice@example.com" in run(door.command(name)).stdout


def test_an_unknown_key_is_told_what_to_do(door: SshDoor) -> None:
    refused = run(door.command(STRANGER))
    assert refused.returncode == 255
    assert "None of your SSH keys is known here" in refused.stderr
    assert "paas keys:add" in refused.stderr
    assert "Permission denied" in refused.stderr


def test_without_a_key_it_is_the_same(door: SshDoor) -> None:
    refused = run(door.command("nobody"))
    assert refused.returncode == 255
    assert "paas keys:add" in refused.stderr


def test_a_known_key_behind_unknown_ones_opens_without_a_word(door: SshDoor) -> None:
    more = ["-o", f'IdentityFile="{door.key(ALICE)}"']
    greeted = run(door.command(STRANGER, *more))
    assert "alice@example.com" in greeted.stdout
    assert "keys:add" not in greeted.stderr


def test_a_known_key_without_its_private_half_opens_nothing(door: SshDoor, tmp_path: Path) -> None:
    """The public key of somebody else, offered first: then one's own counts."""
    stolen = tmp_path / "stolen"
    stolen.with_suffix(".pub").write_text(door.key(ALICE).with_suffix(".pub").read_text())
    stolen.write_bytes(door.key(VIEWER).read_bytes())
    stolen.chmod(0o600)
    first = ["-o", f'IdentityFile="{stolen}"']
    seen = run(["ssh", *first, *door.options(VIEWER), "-v", "git@127.0.0.1"])
    assert f"Server accepts key: {stolen}" in seen.stderr
    assert "viewer@example.com" in seen.stdout


def test_a_password_is_never_asked_for(door: SshDoor) -> None:
    refused = run(door.command(STRANGER, "-v"))
    assert "password" not in refused.stderr.lower()


def test_a_removed_key_is_cut_at_once(
    alice: Person, door: SshDoor, panel: FakePanel, tmp_path: Path
) -> None:
    """Also for the next command of a connection that is still open."""
    app = panel.create()
    fingerprint = door.make_key("leaver")
    panel.keys[fingerprint] = ALICE
    control = ["-o", f"ControlPath={tmp_path}/c", "-o", "ControlPersist=60"]
    master = run(door.command("leaver", *control, "-o", "ControlMaster=yes", "-N", "-f"))
    assert master.returncode == 0, master.stderr
    shared = [*door.command("leaver", *control), f"git-upload-pack '{app.name}.git'"]
    try:
        assert run(shared, "0000").returncode == 0
        del panel.keys[fingerprint]
        refused = run(shared, "0000")
        assert refused.returncode == 128 and "not valid" in refused.stderr
        assert run(door.command("leaver")).returncode == 255
    finally:
        run(door.command("leaver", *control, "-O", "exit"))


@pytest.mark.parametrize("branch", ["main", "side"])
def test_a_push_that_was_held_open_counts_with_the_right_of_its_end(
    alice: Person, door: SshDoor, panel: FakePanel, branch: str
) -> None:
    app = panel.create()
    fingerprint = door.make_key(f"holder of {branch}")
    panel.keys[fingerprint] = ALICE
    command = [*door.command(f"holder of {branch}"), f"git-receive-pack '{app.name}.git'"]
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    body = push_body(alice, alice.commit()).replace(b"heads/main", b"heads/" + branch.encode())
    held = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert held.stdout is not None and held.stdout.read(4), "git has begun to answer"
        del panel.keys[fingerprint]
        said, _ = held.communicate(body, timeout=PATIENCE)
    finally:
        held.kill()
    assert b"This token is not valid." in said and not refs(app) and not app.builds


# --- what -------------------------------------------------------------------
def test_an_unknown_app_is_explained_as_over_http(alice: Person) -> None:
    alice.remote("no-such-app").commit()
    push = alice.push()
    assert push.returncode == 128
    assert " !     To create it: paas create no-such-app\n" in push.stderr


def test_a_viewer_may_clone_and_not_push(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.who = VIEWER
    alice.remote(app).commit()
    push = alice.push()
    assert push.returncode == 128
    assert " !     You may look at this app, not push to it.\n" in push.stderr
    alice.git("clone", alice.clone_url(app), "copy")
    assert refs(app) == {}


@pytest.mark.parametrize("form", ["/{}.git", "/{}", "{}.git", "{}"])
def test_every_form_of_address_works(
    alice: Person, door: SshDoor, panel: FakePanel, form: str
) -> None:
    app = panel.create()
    commit = alice.commit()
    path = form.format(app.name)
    url = f"ssh://git@127.0.0.1:{door.port}{path}" if path[0] == "/" else f"git@127.0.0.1:{path}"
    assert alice.git("push", url, "main").returncode == 0
    assert refs(app) == {"refs/heads/main": commit}


def test_versions_of_the_protocol_are_spoken(alice: Person, panel: FakePanel) -> None:
    alice.remote(panel.create()).commit()
    assert alice.push().returncode == 0
    for version in ("0", "1", "2"):
        seen = alice.git("-c", f"protocol.version={version}", "ls-remote", "paas")
        assert "refs/heads/main" in seen.stdout


def test_the_panel_is_asked_by_the_proven_key(alice: Person, panel: FakePanel) -> None:
    app = panel.create()
    alice.remote(app).commit()
    alice.push()
    asked = [body for path, body in panel.calls if path == "access" and body["app"] == app.name]
    owner = {body["fingerprint"]: panel.keys[body["fingerprint"]] for body in asked}
    assert list(owner.values()) == [ALICE]
    assert {body["service"] for body in asked} == {"git-receive-pack"}
    wait_for(lambda: app.builds[0].delivered, "the end is reported")


def test_a_client_that_reads_too_late_is_cut(
    alice: Person, door: SshDoor, panel: FakePanel
) -> None:
    app = panel.create(output=("x" * 1000,) * 20_000)
    commit = alice.commit()
    command = [*door.command(ALICE), f"git-receive-pack '{app.name}.git'"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ssh:
        assert ssh.stdin and ssh.stdout
        ssh.stdin.write(push_body(alice, commit))
        ssh.stdin.flush()
        wait_for(lambda: refs(app) == {"refs/heads/main": commit}, "the deploy succeeds")
        wait_for(lambda: app.builds[0].delivered is False, "the client is given up")
        ssh.stdout.read()
        assert ssh.wait(PATIENCE) != 0


# --- nothing else -----------------------------------------------------------
@pytest.mark.parametrize(
    "command",
    [
        "id",
        "sh -c id",
        "git-receive-pack 'APP.git'; id",
        "git-receive-pack APP.git\nid",
        "git-receive-pack $(id)",
        "git-upload-pack --upload-pack=id APP.git",
        "git-upload-archive 'APP.git'",
        "git-receive-pack '../../APP.git'",
        "git-receive-pack '/etc/passwd'",
    ],
)
def test_other_commands_are_refused(door: SshDoor, panel: FakePanel, command: str) -> None:
    text = command.replace("APP", panel.create().name)
    refused = run([*door.command(ALICE), text], "0000")
    assert refused.returncode == 128
    assert refused.stdout == ""
    assert ONLY_GIT in refused.stderr or "No app can have this name" in refused.stderr


def test_an_app_called_like_an_option_is_none(alice: Person) -> None:
    alice.commit()
    push = alice.git("push", alice.clone_url("--help"), "main", check=False)
    assert push.returncode == 128
    assert "No app can have this name" in push.stderr


def test_there_is_no_terminal(door: SshDoor) -> None:
    refused = run(door.command(ALICE, "-tt"))
    assert "PTY allocation request failed" in refused.stderr


def test_no_files_are_taken_or_given(door: SshDoor, tmp_path: Path) -> None:
    options = door.options(ALICE)
    assert "Connection closed" in run(["sftp", *options, "git@127.0.0.1"]).stderr
    for protocol in ("-O", "-s"):
        for ends in (
            ["/etc/hostname", "git@127.0.0.1:x"],
            ["git@127.0.0.1:/etc/hostname", tmp_path],
        ):
            assert run(["scp", protocol, *options, *ends]).returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_forwarded_to_a_port_of_the_machine(door: SshDoor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        refused = run(door.command(ALICE, "-W", f"127.0.0.1:{inner.getsockname()[1]}"))
        assert refused.returncode == 255 and "open failed" in refused.stderr
        _assert_nobody_came(inner)


def test_nothing_is_forwarded_to_a_socket_of_the_machine(door: SshDoor) -> None:
    """The panel's own sockets trust whoever reaches them."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as inner:
        inner.bind(f"{folder}/panel.sock")
        inner.listen()
        port = free_port()
        with _running(door.command(ALICE, "-N", "-L", f"{port}:{folder}/panel.sock")):
            wait_for(lambda: _talk(port, b"hello") is not None, "ssh listens")
            assert _talk(port, b"hello") == b""
            _assert_nobody_came(inner)


def test_nothing_is_forwarded_by_a_proxy(door: SshDoor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        port, target = free_port(), inner.getsockname()[1].to_bytes(2, "big")
        with _running(door.command(ALICE, "-N", "-D", f"127.0.0.1:{port}")):
            wait_for(lambda: _talk(port, b"\5\1\0") == b"\5\0", "SOCKS answers")
            answer = _talk(port, b"\5\1\0", b"\5\1\0\1\x7f\0\0\1" + target) or b""
            assert not answer.startswith(b"\5\0")
            _assert_nobody_came(inner)


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def _talk(port: int, *texts: bytes) -> bytes | None:
    """The answer to the last of `texts`, b"" if the connection ends; None while nobody listens."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            for text in texts:
                connection.sendall(text)
                answer = connection.recv(1000)
    except ConnectionRefusedError:
        return None
    except ConnectionResetError:
        return b""
    return answer


def _assert_nobody_came(listener: socket.socket) -> None:
    listener.settimeout(0.2)
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.parametrize("what", ["127.0.0.1:0:127.0.0.1:80", "/tmp/paas-test.sock:127.0.0.1:80"])
def test_nothing_listens_here_for_a_client(door: SshDoor, what: str) -> None:
    refused = run(door.command(ALICE, "-N", "-o", "ExitOnForwardFailure=yes", "-R", what))
    assert refused.returncode == 255
    assert "remote port forwarding failed" in refused.stderr


def test_no_agent_is_reached_through_us(door: SshDoor, tmp_path: Path) -> None:
    """ssh asks for the forwarding without telling whether it was granted; -v shows the answer."""
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        options = ("-A", "-v", "-o", f"IdentityAgent={tmp_path}/agent")
        greeted = run(door.command(ALICE, *options), SSH_AUTH_SOCK=str(tmp_path / "agent"))
    assert "alice@example.com" in greeted.stdout
    assert "client_request_agent" not in greeted.stderr


def test_no_variable_reaches_git(alice: Person, door: SshDoor, panel: FakePanel) -> None:
    """A client may send any; GIT_PROTOCOL alone is read, and only if it is well-formed."""
    app, trace = panel.create(), door.folder / "trace"
    variables = {
        "GIT_TRACE": str(trace),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": "/nonexistent",
        "LD_PRELOAD": "/nonexistent",
        "GIT_PROTOCOL": "version=2:$(id)",
    }
    sent = " ".join(f'"{name}={value}"' for name, value in variables.items())
    command = door.command(ALICE, "-o", f"SetEnv={sent}")
    seen = run([*command, f"git-upload-pack '{app.name}.git'"], "0000")
    assert seen.returncode == 0
    assert "version 2" not in seen.stdout
    assert not trace.exists()


# --- the server -------------------------------------------------------------
def test_a_changed_host_key_would_be_noticed(door: SshDoor, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    own = door.key(STRANGER).with_suffix(".pub").read_text()
    known.write_text(f"[127.0.0.1]:{door.port} {own}")
    refused = run(["ssh", "-o", f"UserKnownHostsFile={known}", *door.command(ALICE)[1:]])
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


@pytest.mark.parametrize(
    "weak",
    [
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "KexAlgorithms=diffie-hellman-group14-sha256",
        "Ciphers=aes128-cbc",
        "MACs=hmac-sha1",
        "HostKeyAlgorithms=ssh-rsa",
    ],
)
def test_weak_algorithms_are_not_spoken(door: SshDoor, weak: str) -> None:
    also = ["-o", "Ciphers=aes128-ctr"] if weak.startswith("MACs") else []
    refused = run(door.command(ALICE, "-o", weak, *also))
    assert refused.returncode == 255
    assert "no matching" in refused.stderr.lower()


def test_rsa_signs_with_sha2_only(door: SshDoor, panel: FakePanel) -> None:
    panel.keys[door.make_key("old-rsa", "-t", "rsa")] = ALICE
    sha1 = run(door.command("old-rsa", "-o", "PubkeyAcceptedAlgorithms=ssh-rsa"))
    assert sha1.returncode == 255
    sha2 = run(door.command("old-rsa", "-o", "PubkeyAcceptedAlgorithms=rsa-sha2-256"))
    assert sha2.returncode == 0


def test_compression_is_not_spoken(door: SshDoor) -> None:
    seen = run(door.command(ALICE, "-v", "-C"))
    assert seen.returncode == 0
    assert "compression: none" in seen.stderr
    assert "compression: zlib" not in seen.stderr
