"""One process on this machine: what it sees, how it starts, what it leaves behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from paas import sandbox
from paas.instance import Instance
from paas.runtimes.base import AppSpec, ProcessSpec, Size
from paas.runtimes.local import launch
from paas.runtimes.local.ports import Ports
from paas.runtimes.local.state import Phase, Record
from paas.runtimes.local.supervisor import Order, Supervisor, scratch_folder
from paas.runtimes.local.views import APP, Views
from paas.sandbox.spec import Limits, Overlay, Sandbox, SandboxError

HANG_UP_SECONDS = 5.0
"""Between SIGTERM and SIGKILL for an attached one-off: nobody is there to wait for it."""


def fingerprint(spec: AppSpec, process: ProcessSpec, index: int) -> str:
    """What makes the `index`-th process of a type what it is; the release's number does not."""
    facts = {
        "artifact": asdict(spec.artifact),
        "environment": dict(spec.environment),
        "command": process.command,
        "size": asdict(process.size),
        "checks": [asdict(check) for check in process.checks],
        "restarts": [process.restarts.get(key, 0) for key in ("", str(index))],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


class Processes:
    """Starts processes and clears up after them."""

    def __init__(self, instance: Instance, supervisor: Supervisor, stop_timeout: float) -> None:
        self._instance = instance
        self._supervisor = supervisor
        self._stop_timeout = stop_timeout
        self._views = Views(instance)
        self.ports = Ports(instance)

    # --- where its things are ----------------------------------------------
    @property
    def specs(self) -> Path:
        return self._instance.run / "processes"

    @property
    def scratches(self) -> Path:
        return scratch_folder(self._instance)

    def channel(self, program: str) -> Path:
        """Where an attached one-off waits for its client; short, as a socket's address must be."""
        return self._instance.run / "attach" / program.rpartition(".")[2]

    def raw_log(self, app_id: str, name: str) -> Path:
        return self._instance.app_logs / app_id / f"{name}.raw"

    def raw_logs(self, app_id: str) -> list[Path]:
        """All raw logs of processes; `platform.raw` is the panel's."""
        found = (self._instance.app_logs / app_id).glob("*.raw")
        return sorted(path for path in found if path.stem != "platform")

    # --- start --------------------------------------------------------------
    def start(
        self, spec: AppSpec, record: Record, size: Size, *, extra: Mapping[str, str] | None = None
    ) -> int:
        """Give a recorded process to supervisord.

        Returns:
            Its pid (bubblewrap's), or 0 if it has ended already.

        Raises:
            SupervisorDown: nobody is there to run it.
        """
        program = record.program(spec.app_id)
        box = self.box(spec, record, size, extra or {})
        attached = record.phase is Phase.AWAITING
        launch.write(
            self._spec_file(program),
            launch.Launch(
                sandbox=box,
                argv=sandbox.run_user_command(record.command),
                channel=self.channel(program) if attached else None,
            ),
        )
        log = self.raw_log(spec.app_id, record.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        order = Order(
            spec=self._spec_file(program),
            log=log,
            restart=record.phase not in (Phase.ONE_OFF, Phase.AWAITING),
            stop_seconds=HANG_UP_SECONDS if attached else self._stop_timeout,
            size=size,
        )
        return self._supervisor.add(program, order)

    def box(self, spec: AppSpec, record: Record, size: Size, extra: Mapping[str, str]) -> Sandbox:
        """The sandbox of a process; makes its scratch folder."""
        program = record.program(spec.app_id)
        scratch = self.scratches / program
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        view = self._views.of(spec.artifact)
        return Sandbox(
            name=program,
            binds=view.binds,
            overlay=Overlay(view.tree, scratch, APP, owned=view.owned),
            root=view.root,
            cwd=APP,
            environment=_environment(spec, record, view.environment) | dict(extra),
            network=True,
            uid=sandbox.uid_for(spec.app_number, self._instance.home),
            limits=Limits(
                memory_mb=size.memory_mb, cpu_shares=size.cpu_shares, processes=size.processes
            ),
        )

    # --- the end --------------------------------------------------------------
    def clear(self, app_id: str, record: Record) -> bool:
        """Delete all that a process owns; False while it still runs or is being deleted."""
        program = record.program(app_id)
        if not self._supervisor.remove(program):
            return False
        self.clear_files(program)
        if record.port is not None:
            self.ports.release(record.port)
        return True

    def clear_files(self, program: str) -> None:
        """Delete the files of a program that has ended."""
        self._spec_file(program).unlink(missing_ok=True)
        self.channel(program).unlink(missing_ok=True)
        sandbox.forget(program)
        with suppress(SandboxError):  # the sweep tries again
            sandbox.remove_tree(self.scratches / program)

    def known_by_files(self) -> set[str]:
        """The programs that files here belong to."""
        specs = (path.stem for path in self.specs.glob("*.json"))
        return {*specs, *(path.name for path in self.scratches.glob("*"))}

    def _spec_file(self, program: str) -> Path:
        return self.specs / f"{program}.json"


def _environment(spec: AppSpec, record: Record, own: Mapping[str, str]) -> dict[str, str]:
    """What the process gets.

    The artifact's own variables, the app's over them, and what the runtime knows better.
    """
    path = spec.environment.get("PATH") or own["PATH"]
    mine = {
        "HOME": APP,
        "DYNO": record.name,
        "PATH": ":".join((*spec.artifact.path_entries, path)),
    }
    if record.port is not None:
        mine["PORT"] = str(record.port)
    return {**own, **spec.environment, **mine}
