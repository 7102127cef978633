"""pnpm and Yarn: the server's own where the version fits, else fetched once from npm's registry.

Corepack does the same, but newer versions of Node.js come without it. A proof
in `packageManager` ("+sha512.…") is checked against what was fetched; npm
itself checks what the registry says of the package.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from apps.builds.builders import layers
from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.layers import Tools
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from buildpacks.plan import Phase, Pin
from buildpacks.ranges import Version, parse_range, parse_version
from paas.instance import Instance
from paas.sandbox import system_path

MANAGERS = ("pnpm", "yarn")
PLACE = "/deps/managers"
_TIMEOUT = 10.0


def own(pin: Pin) -> tuple[Path, Version] | None:
    """The server's own manager that fits `pin` and that a sandbox can see; None without one."""
    wanted = parse_range(pin.spec.partition("+")[0])
    for folder in system_path().split(":"):
        path = Path(folder) / pin.tool
        if not os.access(path, os.X_OK) or "corepack" in os.path.realpath(path):
            continue  # Corepack's would reach for the network
        version = _version(path)
        if version is not None and version in wanted:
            return path, version
    return None


def fetch(
    instance: Instance, job: BuildJob, pin: Pin, tools: Tools, log: BuildLog, guard: Guard
) -> Path:
    """The folder for `PLACE`/<tool>, with `bin` in it, fetched now or found.

    Raises:
        BuildFailed: there is no such version, or it is not what `packageManager` proves.
    """
    version, _, proof = pin.spec.partition("+")
    package = _package(pin.tool, version)
    place = f"{PLACE}/{pin.tool}"
    phase = Phase(
        pin.tool,
        commands=tuple(_commands(pin.tool, package, place)),
        network=True,
        files=(),
        results=(place,),
        inert=True,
        hint=f"Correct {pin.source}: is there a version {version} of {pin.tool}?",
    )
    title = f"Fetching {pin.tool} {version} ({pin.source})"
    request = layers.Request(job, phase, {}, None, tools, title)
    layer = layers.make(instance, request, log, guard)
    ((folder, _),) = layer.mounts
    if proof:
        check_proof(folder, pin, proof)
    return folder


def _package(tool: str, version: str) -> str:
    """npm's name of the package: Yarn 2 and newer live under another one."""
    modern = tool == "yarn" and not version.startswith("1.")
    return f"{'@yarnpkg/cli-dist' if modern else tool}@{version}"


def _commands(tool: str, package: str, place: str) -> Iterator[str]:
    yield f"npm pack --loglevel=error --ignore-scripts --pack-destination {place} '{package}'"
    yield f"tar -xzf {place}/*.tgz -C {place} && mkdir {place}/bin"
    yield (
        f"for name in pnpm.cjs pnpm.mjs yarn.js; do if [ -f {place}/package/bin/$name ]; then "
        f"chmod +x {place}/package/bin/$name; "
        f"ln -s ../package/bin/$name {place}/bin/{tool}; fi; done"
    )


def check_proof(folder: Path, pin: Pin, proof: str) -> None:
    """Corepack proves the archive, or (Yarn 2 and newer) the program in it."""
    algorithm, _, wanted = proof.partition(".")
    files = (*folder.glob("*.tgz"), folder / "package/bin/yarn.js")
    found = {
        hashlib.new(algorithm, file.read_bytes()).hexdigest() for file in files if file.is_file()
    }
    if wanted not in found:
        raise BuildFailed(
            f"{pin.tool} {pin.spec.partition('+')[0]} is not the one that package.json names",
            f"{pin.source} says {algorithm} {wanted[:16]}…, the package has another one.",
            f"Run `corepack use {pin.tool}@{pin.spec.partition('+')[0]}` and commit package.json.",
        )


def _version(path: Path) -> Version | None:
    try:
        done = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
            cwd="/",
            env={"PATH": system_path(), "HOME": "/nonexistent"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(done.stdout.decode(errors="replace"))
