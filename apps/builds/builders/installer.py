"""How uv is run in the sandbox: its places, its environment, and what its failures mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from apps.builds.builders import steps
from apps.builds.builders.base import BuildFailed, UnfitPython
from apps.builds.builders.environment import TOOLS
from apps.builds.builders.steps import Ended
from apps.builds.builders.toolchains import Interpreter

UV = f"{TOOLS}/uv"
TARGET = "/deps/python"
"""The virtual environment with the dependencies; its scripts name the right interpreter."""
PROJECT = "/deps/project"
"""What the tree installs of itself, as a prefix beside the environment."""
INPUTS = "/deps/source"
CACHE = "/deps/cache"
PYTHON = f"{TARGET}/bin/python"
_SHOWN = 12  # lines of uv's message repeated in the error
_REFUSES = "does not satisfy Python"
_PIN = (
    "Write the Python version you use into a file called .python-version (for example 3.12), or "
    "ask for a newer version of the package; commit and push again."
)
_NOT_BUILT = re.compile(r"(?:Failed to (?:download and )?build|failed to build) `?([^`]{1,100})`?")


def venv(interpreter: Interpreter) -> list[list[str]]:
    """The commands that make an empty environment which sees the project's layer too.

    A `.pth` file reads the layer as a site folder: code, metadata and `.pth`
    files of its own (editable installations) count. Where no layer is mounted
    it does nothing, so that environments stay shared.
    """
    site = f"lib/python{interpreter.minor}/site-packages"
    layer = f"{PROJECT}/{site}"
    line = f"import os, site; os.path.isdir({layer!r}) and site.addsitedir({layer!r})"
    write = f"open({f'{TARGET}/{site}/paas-project.pth'!r}, 'w').write({line + chr(10)!r})"
    python = str(interpreter.path)
    return [
        [UV, "venv", "--quiet", "--allow-existing", "--python", python, TARGET],
        [python, "-I", "-S", "-c", write],
    ]


def variables(interpreter: Interpreter) -> dict[str, str]:
    """The environment of uv and of the build backends it starts."""
    return {
        "HOME": "/tmp",  # noqa: S108 - inside, and private
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": f"{TARGET}/bin:{TOOLS}:/usr/local/bin:/usr/bin:/bin",
        "UV_CACHE_DIR": CACHE,
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "UV_PROJECT_ENVIRONMENT": TARGET,
        "UV_PYTHON": str(interpreter.path),
        "UV_PYTHON_DOWNLOADS": "never",
        "VIRTUAL_ENV": TARGET,
    }


def failure(named: str, interpreter: Interpreter, ended: Ended, said: list[str]) -> BuildFailed:
    """What to tell of uv's failure.

    Args:
        named: the file that asked for the packages.
        said: all that uv printed.
    """
    if ended.out_of_memory:
        return BuildFailed(
            "Installing the dependencies took too much memory",
            f"A build may use {steps.MEMORY_MB} MiB.",
            "Prefer versions that come as wheels, so that nothing is compiled.",
        )
    if any(_REFUSES in line for line in said):
        return UnfitPython(
            f"The dependencies in {named} do not go with Python {interpreter.version}",
            "uv says: " + "\n".join(_message(said)),
            _PIN,
        )
    unbuilt = next((found[1] for line in said if (found := _NOT_BUILT.search(line))), None)
    if unbuilt is not None:
        return _unbuilt(unbuilt, interpreter, said)
    return BuildFailed(
        f"The dependencies in {named} could not be installed",
        "uv says: " + "\n".join(_message(said)),
        f"Correct {named} so that `uv pip install` works on your machine, commit and push again.",
    )


def _unbuilt(package: str, interpreter: Interpreter, said: list[str]) -> UnfitPython:
    errors = [line.strip() for line in said if re.search(r"\berror\b", line, re.IGNORECASE)]
    return UnfitPython(
        f"{package} could not be built for Python {interpreter.version}",
        "It has no ready-made package for this version, and building it ended with: "
        + (errors or said)[-1][:300],
        _PIN,
    )


def _message(said: list[str]) -> list[str]:
    """The end of what uv said, from where its error begins."""
    told = [line for line in said if line.strip()]
    starts = (
        n
        for n, line in enumerate(told)
        if line.startswith(("\N{MULTIPLICATION SIGN}", "  \N{MULTIPLICATION SIGN}", "error"))
    )
    return told[next(starts, 0) :][:_SHOWN]


def metadata_script(site: str) -> str:
    """Python that prints name and requirement, a pair a line, of what is in the folder `site`."""
    return (
        "import json; from importlib.metadata import distributions; "
        "[print(json.dumps([one.metadata['Name'], text])) "
        f"for one in distributions(path=[{site!r}]) for text in ['', *(one.requires or [])]]"
    )


def parse_metadata(printed: Iterable[str]) -> Mapping[str, list[str]]:
    """The lines that `metadata_script` printed: requirements by name.

    Raises:
        ValueError: they are not that; whoever wrote the packages decides what they are.
    """
    found: dict[str, list[str]] = {}
    for line in printed:
        pair = json.loads(line)
        if not (isinstance(pair, list) and len(pair) == 2 and {*map(type, pair)} == {str}):
            raise ValueError("a package without a name")
        found.setdefault(pair[0], []).extend([pair[1]] if pair[1] else [])
    return found
