"""The machine's own store through Nix's daemon: in a mount namespace, where /nix is the test's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from paas.instance import Instance

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts"),
]
CHECKOUT = Path(__file__).parents[2]
# $1: a folder; then the command that runs beside the daemon.
_BESIDE = """
set -e
folder=$1; shift
mount --bind "$folder/nix" /nix
NIX_CONF_DIR="$folder/conf" nix-daemon >"$folder/daemon.log" 2>&1 &
daemon=$!
trap 'kill $daemon' EXIT
until [ -S /nix/var/nix/daemon-socket/socket ]; do sleep 0.05; done
"$@"
"""


def beside_daemon(
    folder: Path, instance: Instance, script: str, sandbox: str = "true", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `script` (Python) where the daemon, so configured, has /nix."""
    for name in ("nix/store", "nix/var/nix", "conf"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    conf = f"build-users-group =\nsandbox = {sandbox}\nsubstituters =\n"
    (folder / "conf" / "nix.conf").write_text(conf)
    environ: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PAAS_")},
        "PAAS_HOME": str(instance.home),
        "PAAS_RUN": str(instance.run),
        **settings,
    }
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BESIDE, "sh"]
    argv += [str(folder), sys.executable, "-c", script]
    return subprocess.run(argv, env=environ, cwd=CHECKOUT, capture_output=True, text=True)


def test_a_daemon_builds_keeps_and_gives_back(nix_instance: Instance, tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from paas.instance import current
from paas.launcher import nix
from paas.nix import room
from paas.nix.cache import Cache
from paas.nix.publish import publish
from paas.nix.store import Store
from tests.nix import release
instance = current()
assert nix.check_nix(instance).endswith("store daemon")
store, cache = Store.of(instance), Cache.of(instance)
builds = Path({str(tmp_path)!r}) / "build"
with store.in_use():
    one = release.make(store, builds).path
    store.add_root("b1", one)
assert publish(instance, store, "b1", [one]).paths == 3
two = release.make(store, builds, {{"public/index.html": "two"}}).path
publish(instance, store, "b2", [two])
store.roots.remove("b2")
assert room.collect(store, cache).store_paths > 0
assert store.is_valid(one) and not store.is_valid(two)
assert (Path(one) / "environment.json").is_file()
print("it holds")
"""
    done = beside_daemon(tmp_path / "machine", nix_instance, script)
    assert done.stdout == "it holds\n", done.stderr
    log = (tmp_path / "machine" / "daemon.log").read_text()
    assert "accepted connection" in log


def test_a_daemon_that_seals_nothing_is_refused(nix_instance: Instance, tmp_path: Path) -> None:
    script = """
from paas.instance import current
from paas.launcher import nix
from paas.launcher.errors import LaunchError
try:
    print(nix.check_nix(current()))
except LaunchError as error:
    print(error)
"""
    done = beside_daemon(tmp_path / "machine", nix_instance, script, sandbox="false")
    assert "builds without a sandbox" in done.stdout, done.stderr
    assert "Set `sandbox = true`" in done.stdout and "PAAS_NIX_STORE" in done.stdout
    own = {"PAAS_NIX_STORE": str(tmp_path / "own")}
    done = beside_daemon(tmp_path / "machine", nix_instance, script, sandbox="false", **own)
    assert done.stdout.strip().endswith(f"store {tmp_path}/own")
