"""What an instance needs in its database and its `run` folder before its parts start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from paas.instance import Instance, make_private
from paas.launcher.bound import PARENT_VARIABLE
from paas.launcher.environment import parts_environment
from paas.launcher.errors import LaunchError
from paas.launcher.orders import PYTHON, Order, write_order
from paas.launcher.supervisor_config import panel_logs


def prepare_database(instance: Instance) -> str:
    """Migrate, make what the first run needs; harmless when it is done.

    Returns:
        The admin's user name.

    Raises:
        LaunchError: Django refused; the text says what it said last, and where all of it is.
    """
    _manage(instance, "migrate", "--noinput", "--verbosity", "0")
    return _manage(instance, "first_run").strip()


def collect_static(instance: Instance) -> None:
    """Collect the static files into `run`, which may have vanished, unless they are there."""
    if not (instance.run / "static" / "staticfiles.json").exists():
        _manage(instance, "collectstatic", "--noinput", "--verbosity", "0")


def _manage(instance: Instance, command: str, *arguments: str) -> str:
    panel_logs(instance).mkdir(parents=True, exist_ok=True)
    orders = make_private(instance.run / "setup")
    order = Order(command, [*PYTHON, "-m", "django", command, *arguments])
    done = subprocess.run(
        write_order(orders, order),
        env={**parts_environment(instance), PARENT_VARIABLE: str(os.getpid())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        log: Path = panel_logs(instance) / f"{command}.log"
        log.write_text(done.stderr)
        *_, reason = done.stderr.strip().splitlines() or ["it said nothing"]
        raise LaunchError(f"`manage.py {command}` failed: {reason}\nAll it said is in {log}.")
    return done.stdout
