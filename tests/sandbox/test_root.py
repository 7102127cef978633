"""A command that sees another root than the machine's: a static busybox and nothing else."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from tests.sandbox.conftest import Box

TOOLS = "/nix/store/tools"
ROOT = {"/bin/sh": f"{TOOLS}/busybox", "/usr/bin/env": f"{TOOLS}/busybox", "/etc/ssl": TOOLS}


@pytest.fixture
def bare(box: Box) -> Box:
    """A box with the tools that `order` shows."""
    tools = box.folder / "tools"
    tools.mkdir(mode=0o755)
    (tools / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (tools / "busybox").chmod(0o755)
    box.give(tools)
    return box


def order(box: Box, **more: object) -> dict[str, object]:
    return {"root": ROOT, "binds": [[str(box.folder / "tools"), TOOLS, False]], **more}


def test_nothing_of_the_machine_is_seen(bare: Box) -> None:
    answer = bare.run(
        "for d in / /usr/* /etc /nix/store; do echo $d: $(ls $d); done", **order(bare)
    )
    assert answer["output"].splitlines() == [
        "/: bin dev etc nix proc run tmp usr var",
        "/usr/bin: env",
        "/etc: group hosts nsswitch.conf passwd resolv.conf ssl",
        "/nix/store: tools",
    ]
    machine = Path("/etc/resolv.conf").read_text()
    assert bare.run("cat /etc/resolv.conf", **order(bare))["output"] == machine
    mounts = bare.run("cat /proc/self/mountinfo", **order(bare))["output"]
    assert " /usr " not in mounts and "/opt" not in mounts


def test_there_is_no_way_back_to_the_machine(bare: Box) -> None:
    answer = bare.run(
        "grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNew' /proc/self/status; chroot / true; unshare -U true; "
        "ls /proc/self/fd; touch /x /bin/x /etc/x",
        **order(bare),
    )
    facts = dict(line.split(":\t") for line in answer["output"].splitlines() if ":\t" in line)
    assert facts.pop("NoNewPrivs") == "1"
    assert len(facts) == 4 and {int(value, 16) for value in facts.values()} == {0}
    assert "can't change root directory" in answer["output"]
    assert answer["output"].count("Read-only file system") == 3
    descriptors = [line for line in answer["output"].splitlines() if line.isdigit()]
    assert descriptors == ["0", "1", "2", "3"]  # the last one is how ls reads that folder


def test_an_owned_overlay_can_be_changed_everywhere(bare: Box) -> None:
    (bare.lower / "sub").mkdir()
    for name in ("file", "sub/file"):
        (bare.lower / name).write_text("one\n")
        (bare.lower / name).chmod(0o444)
    outside = bare.folder / "outside"
    outside.write_text("")
    (bare.lower / "link").symlink_to(outside)
    for folder in (bare.lower / "sub", bare.lower):
        folder.chmod(0o555)
    bare.give(bare.folder)
    os.chown(outside, os.geteuid(), os.getegid())
    before = outside.stat()
    answer = bare.run(
        "echo two >> file; echo two >> sub/file; rm sub/file; touch sub/new; "
        "ls -ln . sub; cat file",
        **order(bare, overlay=[str(bare.lower), str(bare.scratch), True], cwd="/app"),
    )
    assert answer["output"].endswith("one\ntwo\n"), answer["output"]
    owners = {
        line.split()[2] for line in answer["output"].splitlines() if line[:1] in ("-", "d", "l")
    }
    assert len(owners) == 1 and owners != {"0"}
    assert (bare.lower / "file").read_text() == "one\n"
    assert (outside.stat().st_uid, outside.stat().st_mode) == (before.st_uid, before.st_mode)


def test_its_folders_are_private_and_it_may_write_there(bare: Box) -> None:
    name = f"paas-{uuid.uuid4()}"
    command = f"for d in /tmp /dev/shm /var/tmp; do echo x > $d/{name} && cat $d/{name}; done"
    answer = bare.run(f"{command}; id -u", **order(bare))
    assert answer["output"].split()[:3] == ["x", "x", "x"]
    assert os.geteuid() != 0 or answer["output"].split()[3] != "0"
    assert not Path("/tmp", name).exists()
