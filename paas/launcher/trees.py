"""The two supervisord trees, `panel` and `apps`, each started again when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paas.instance import Instance, make_private
from paas.launcher import leftovers
from paas.launcher.bound import PARENT_VARIABLE
from paas.launcher.environment import apps_environment, parts_environment
from paas.launcher.orders import PYTHON, Order, write_order
from paas.launcher.parts import panel_parts
from paas.launcher.supervisor_config import panel_logs, write_panel_config
from paas.runtimes.choice import KUBERNETES
from paas.runtimes.local.supervisor import write_supervisor_config


@dataclass
class Tree:
    """One supervisord: `command` becomes it, `output` gets what it prints before it logs."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    output: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own, so that the terminal's Ctrl-C does not reach it."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**self.environment, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> bool:
        """Whether it has ended, at the latest `timeout` seconds from now."""
        if self.process is None:
            return True
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True


def make_trees(instance: Instance) -> list[Tree]:
    """The trees, with their configuration written; the panel first, and no apps on a cluster.

    Raises:
        LaunchError: a program that the panel needs is missing.
    """
    panel_config = write_panel_config(instance, panel_parts(instance))
    panel = _tree(instance, "panel", panel_config, parts_environment(instance))
    if os.environ.get("PAAS_RUNTIME") == KUBERNETES:
        return [panel]
    apps_config = write_supervisor_config(instance)
    return [panel, _tree(instance, "apps", apps_config, apps_environment(instance))]


def _tree(instance: Instance, name: str, config: Path, environment: Mapping[str, str]) -> Tree:
    argv = [*PYTHON, "-m", "supervisor.supervisord", "--configuration", str(config)]
    orders = make_private(instance.run / leftovers.TREES)
    output = panel_logs(instance) / f"supervisord-{name}.out"
    order = Order(name, argv, folder=config.parent)
    return Tree(name, write_order(orders, order), environment, output)
