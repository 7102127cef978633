"""Debian's containerd, with everything of it in one folder, as the machine that runs an image."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

_NAMESPACE = "k8s.io"
_PATIENCE = 30.0  # seconds

Ctr = list[str]
"""The start of a `ctr` command."""


def missing() -> bool:
    return not all(map(shutil.which, ("containerd", "ctr", "runc")))


@contextmanager
def containerd() -> Iterator[Ctr]:
    """One that runs; its sockets want a short path."""
    folder = Path(tempfile.mkdtemp(prefix="ctd-"))
    config = folder / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{folder}/sock"\n'
    )
    log = folder / "log"
    with log.open("wb") as output:
        argv = ["containerd", "--config", str(config)]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=output)
    try:
        deadline = time.monotonic() + _PATIENCE
        while b"successfully booted" not in log.read_bytes() or not (folder / "sock").exists():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield ["ctr", "--address", f"{folder}/sock", "--namespace", _NAMESPACE]
    finally:
        process.terminate()
        process.wait(_PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def import_image(ctr: Ctr, archive: Path) -> list[str]:
    """Import an OCI archive; the names of all images."""
    subprocess.run([*ctr, "images", "import", str(archive)], check=True, capture_output=True)
    listed = subprocess.run([*ctr, "images", "ls", "-q"], capture_output=True, text=True)
    return listed.stdout.split()


def answer_of(ctr: Ctr, image: str, closure: Mapping[str, Path]) -> str:
    """What `image` says over HTTP at `/`.

    Args:
        closure: store paths and where they lie: the mounts that nix-snapshotter
            makes are made by hand, as the image's annotations tell.
    """
    port = free_port()
    task = f"test-{port}"
    mounts = [
        word
        for path, place in closure.items()
        for word in ("--mount", f"type=bind,src={place},dst={path},options=rbind:ro")
    ]
    process = subprocess.Popen(
        [*ctr, "run", "--net-host", "--env", f"PORT={port}", *mounts, image, task],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        return _answer(port, process)
    finally:
        subprocess.run([*ctr, "tasks", "kill", "-s", "SIGKILL", task], capture_output=True)
        process.wait(_PATIENCE)
        subprocess.run([*ctr, "containers", "rm", task], capture_output=True)


def _answer(port: int, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stdout is not None
            raise AssertionError(process.stdout.read().decode())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as page:
                return str(page.read().decode())
        except OSError:
            time.sleep(0.1)
    raise AssertionError("nothing answered")
