"""A runtime made of a JSON file, and an observer of it as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paas.instance import Instance
from paas.observer.service import Observer
from paas.runtimes.base import LogSource, ProcessState, ProcessStatus, RouteTable


class FileRuntime:
    """Says what a JSON file says: {"sources": …, "hosts": …, "ports": …, "processes": …}."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def observe(self, *app_ids: str) -> list[ProcessStatus]:
        return [
            ProcessStatus(
                app_id=item["app_id"],
                name=item["name"],
                type=item["name"].split(".")[0],
                state=ProcessState(item["state"]),
                since=datetime.fromtimestamp(0, UTC),
                release=item.get("release", 1),
                command=item.get("command", "serve"),
                restarts=item.get("restarts", 0),
                reason=item.get("reason", ""),
            )
            for item in self._data().get("processes", [])
            if not app_ids or item["app_id"] in app_ids
        ]

    def log_sources(self) -> list[LogSource]:
        sources = self._data().get("sources", [])
        return [LogSource(app_id, process, Path(path)) for app_id, process, path in sources]

    def routes(self) -> RouteTable:
        data = self._data()
        ports = {int(port): name for port, name in data.get("ports", {}).items()}
        return RouteTable(data.get("hosts", {}), ports)

    def _data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self._path.read_bytes())
        return data


@dataclass
class Scene:
    """An instance whose runtime tells what the test says, with an observer to start and kill."""

    instance: Instance
    redis_url: str
    told: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def tell(self, **facts: Any) -> None:
        self.told |= facts
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self.told))
        fresh.replace(self._file)

    def add_app(self, app_id: str, *processes: str) -> Path:
        folder = self.instance.app_logs / app_id
        folder.mkdir()
        raws = [(app_id, name, str(folder / f"{name}.raw")) for name in processes]
        self.tell(sources=[*self.told.get("sources", []), *raws])
        return folder

    def start(self) -> None:
        if not self._file.exists():
            self.tell()
        here = self.instance
        arguments = [str(here.home), str(here.run), self.redis_url, str(self._file)]
        self._process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    @property
    def _file(self) -> Path:
        return self.instance.home / "runtime.json"


async def _observe(instance: Instance, redis_url: str, runtime: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await Observer(instance, FileRuntime(runtime), redis_url).run(stop)


if __name__ == "__main__":
    home, run, url, facts = sys.argv[1:]
    here = Instance(Path(home), Path(run), 8080, 2222, "127.0.0.1", "localhost")
    asyncio.run(_observe(here, url, Path(facts)))
