"""The Python interpreters of this machine that apps can be built with."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from paas.launcher import tools


def pythons() -> list[tuple[str, Path]]:
    """Version and path of each interpreter that uv finds here, without asking it to fetch any."""
    uv = tools.find("uv")
    if uv is None:
        return []
    command = [str(uv), "python", "list", "--only-installed", "--output-format", "json"]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return []
    found: dict[str, Path] = {}
    for entry in json.loads(done.stdout):
        found.setdefault(entry["version"], Path(entry["path"]))
    return list(found.items())
