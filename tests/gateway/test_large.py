"""Large pushes flow through; the gateway does not grow with them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from tests.gateway.panel import FakePanel
from tests.gateway.test_http import FETCH, call
from tests.gateway.world import Gateway, Person, refs

SIZE = 50_000_000
ROOM = 32 * 1024 * 1024  # bytes the gateway may grow; far less than what flows


def memory(gateway: Gateway) -> int:
    """The most the process ever had resident, in bytes."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_large_push_is_streamed(alice: Person, gateway: Gateway, panel: FakePanel) -> None:
    app = panel.create()
    before = memory(gateway)
    commit = alice.remote(app).commit("Large", **{"large.bin": os.urandom(SIZE)})
    assert alice.push().returncode == 0
    assert refs(app) == {"refs/heads/main": commit}
    assert app.builds[0].archive.stat().st_size > SIZE
    alice.git("clone", "-q", alice.clone_url(app), "copy")
    assert memory(gateway) - before < ROOM


def test_a_gzip_bomb_does_not_fill_the_memory(gateway: Gateway, panel: FakePanel) -> None:
    before = memory(gateway)
    bomb = gzip.compress(b"0000" * 50_000_000, compresslevel=1)
    line = f"POST /{panel.create().name}.git/git-upload-pack"
    call(gateway, line, bomb, Content_Type=FETCH, Content_Encoding="gzip")
    assert memory(gateway) - before < ROOM
