"""Nix, where the instance builds by it: here before anything is started."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from paas.instance import Instance
from paas.keys import NIX_KEY, KeysError
from paas.launcher.errors import LaunchError
from paas.nix import saved
from paas.nix.daemon import require_sandbox
from paas.nix.errors import NixError
from paas.nix.store import Store, require_nix
from paas.nix.targets import target

_INSTALL = ("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "nix-bin")


def wanted(environ: Mapping[str, str] | None = None) -> bool:
    """Whether this instance builds by Nix."""
    env = os.environ if environ is None else environ
    return env.get("PAAS_BUILDER") == "nix"


def check_nix(instance: Instance) -> str:
    """Which Nix builds, as text.

    Raises:
        LaunchError: there is none that can be used, or no such cache as is wanted.
    """
    try:
        version = require_nix()
        store = Store.of(instance)
        target(instance, instance.keys / NIX_KEY, os.environ)
        if store.config.daemon:
            require_sandbox(store)
    except NixError as error:
        raise LaunchError(str(error)) from error
    return f"{version}, store {store.config.remote}"


def bring_back(instance: Instance) -> None:
    """Take builds that a restore has brought into the store; nothing happens where there are none.

    Raises:
        LaunchError: Nix is missing or does not take them.
    """
    try:
        saved.bring_back(instance)
    except (NixError, KeysError) as error:
        raise LaunchError(
            f"The restored builds by Nix are not back yet: {error}\nRun `make up` to try again. "
            f"To do without them, remove {instance.home / 'nix' / saved.LIST} and push each app."
        ) from error


def ensure_nix(instance: Instance) -> None:
    """As `check_nix`; root's launcher installs a missing Nix on Debian."""
    if shutil.which("nix-store") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(_INSTALL, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            raise LaunchError(
                "Nix is missing, and installing it failed: "
                f"{(done.stderr.strip().splitlines() or ['apt-get said nothing'])[-1]}\n"
                "Run `apt-get update && apt-get install nix-bin`, or unset PAAS_BUILDER."
            )
    check_nix(instance)
