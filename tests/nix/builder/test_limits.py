"""Builds that want too much: each ends with a reason, and leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from apps.builds.builders import steps
from apps.builds.builders.base import BuildCancelled
from apps.builds.builders.nix import realise
from paas.sandbox import cgroups
from tests.nix.builder.conftest import Site

Limit = Callable[[float], None]


def app(command: str, name: str = "web") -> dict[str, str]:
    """An app whose build runs `command`."""
    return {
        "Procfile": "web: true\n",
        "nixpacks.toml": f"[phases.build]\ncmds = ['''{command}''']\n",
        "name": name,
    }


def running(word: str) -> list[int]:
    """Processes of this machine that have `word` among their arguments."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if word in (process.info["cmdline"] or ())
    ]


def wait_until_none(word: str) -> None:
    deadline = time.monotonic() + 10
    while running(word):
        assert time.monotonic() < deadline, "a builder was left behind"
        time.sleep(0.05)


def test_one_that_fails_says_which_command(site: Site) -> None:
    failure = site.fails(app("echo before; echo worse >&2; exit 3"))
    assert failure.what == "The phase build failed"
    assert "`echo before; echo worse >&2; exit 3` ended with exit status 3" in failure.why
    assert "       before" in site.log and "       worse" in site.log
    assert "-----> Running echo before; echo worse >&2; exit 3" in site.log


def test_one_that_wants_the_network(site: Site) -> None:
    failure = site.fails(app("wget -q -T 2 -O - http://127.0.0.1:80/ || ls /sys/class/net; exit 1"))
    assert "It has no network: only the fetch phase does" in failure.fix


def test_one_that_writes_outside(site: Site) -> None:
    site.fails(app("echo x > /nix/store/x || exit 1"))
    site.fails(app("touch /bin/x /usr/x || exit 1"))
    assert "Read-only file system" in site.said


def test_one_that_prints_without_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [*realise.OPTIONS[:-1], str(4 * 1024**2)]
    monkeypatch.setattr(realise, "OPTIONS", tuple(options))
    failure = site.fails(app("yes flood"))
    assert "printed more than" in failure.what
    assert len(site.said) < 16 * 1024**2
    wait_until_none("flood")


def test_one_that_prints_one_line_without_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [*realise.OPTIONS[:-1], str(4 * 1024**2)]
    monkeypatch.setattr(realise, "OPTIONS", tuple(options))
    assert "printed more than" in site.fails(app("cat /dev/zero | tr '\\0' x")).what


def test_one_that_does_not_end(site: Site, seconds: Limit) -> None:
    seconds(2.0)
    started = time.monotonic()
    failure = site.fails(app("sleep 98765"))
    assert "took longer than" in failure.what
    assert time.monotonic() - started < 15
    wait_until_none("98765")


def test_one_that_forks_without_end(site: Site, seconds: Limit) -> None:
    seconds(20.0)
    failure = site.fails(app("bomb() { bomb | bomb & }; bomb; sleep 87654"))
    if cgroups.hierarchy() is not None:
        assert failure.what == "The build started more than 512 processes"
    wait_until_none("87654")


def test_one_that_takes_all_memory(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    small = steps.Limits(memory_mb=200, processes=512)
    monkeypatch.setattr(steps, "LIMITS", small)
    failure = site.fails(app("awk 'BEGIN { x = \"x\"; while (1) x = x x }'"))
    assert "memory" in failure.what


def test_one_that_fills_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []

    def check_disk(guard: steps.Guard, wanted: int) -> None:
        size = sum(path.stat().st_size for path in guard.disk.rglob("fill") if path.is_file())
        used.append(size)
        if size > 100 * 1024**2:
            raise steps.disk_full(100, wanted, guard.disk)

    monkeypatch.setattr(steps.Guard, "check_disk", check_disk)
    failure = site.fails(app("dd if=/dev/zero of=fill bs=1M count=100000"))
    assert "The disk is nearly full" in failure.what
    assert max(used) < 2 * 1024**3


def test_a_cancelled_one_is_gone(site: Site) -> None:
    def cancel() -> None:
        while not running("76543"):
            time.sleep(0.05)
        site.cancel.set()

    watcher = threading.Thread(target=cancel)
    watcher.start()
    with pytest.raises(BuildCancelled):
        site.build(app("sleep 76543"))
    watcher.join()
    wait_until_none("76543")


def test_names_that_shells_and_nix_would_read(site: Site, tmp_path: Path) -> None:
    names = ["it's", 'say "no"', "${out}", "''${x}''", "two\nlines", "$(touch bad)", "-rf", "*"]
    files = {**app("ls -1 | wc -l; test ! -e bad"), **dict.fromkeys(names, "content")}
    files["nixpacks.toml"] += '[variables]\nODD = "a\'b\\"c${d}\\n$(e)"\n'
    built = site.build(files)
    tree = site.store.physical(built.artifact.path) / "app"
    root = site.store.resolve(f"{built.artifact.path}/app")
    assert {path.name for path in root.iterdir()} >= set(names)
    assert tree.is_symlink()
    shown = site.run(built, 'python3 -c 1 2>/dev/null; printf %s "$ODD"')
    assert shown == "a'b\"c${d}\n$(e)"
