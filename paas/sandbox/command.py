"""From a `Sandbox` and a command to the program that runs it isolated.

The order of privileges: bubblewrap makes the namespaces and mounts with an
empty environment; as root, setpriv then drops to the app's user; then
`init.py` takes the user's environment from a descriptor and becomes the
command. Dropping first would fail: the app's user may not enter PAAS_HOME.

setpriv and `init.py` need the machine's system. Where the command must not
see it (`Sandbox.root`), its own view stands in a folder, and `init.py` makes
that folder its root before it becomes the command.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from paas.sandbox import cgroups, init
from paas.sandbox.probe import find_bwrap, overlay_works, probe
from paas.sandbox.spec import Overlay, Root, Sandbox, SandboxError
from paas.sandbox.system import (
    HOSTNAME,
    interpreter_binds,
    panel_python,
    system_files,
    system_mounts,
    system_path,
)
from paas.sandbox.trees import copy_tree, give_tree, make_folder, remove_tree

OUR_FOLDER = "/opt/paas"
"""Where the panel's own helpers are shown inside."""
TMP = "/tmp"  # noqa: S108 - inside, and private
_INIT = f"{OUR_FOLDER}/init.py"
_VIEW = f"{OUR_FOLDER}/root"
"""Where the command's view is built when it is not the whole of what bubblewrap shows."""
_RESOLVER = "/etc/resolv.conf"
_MIB = 1024 * 1024
_OOM_SCORE = 500
_NOFILE_FLOOR = 64


def run_user_command(command: str) -> list[str]:
    """The argument list of a user's own command line; no other place makes a shell string."""
    return ["sh", "-c", command]


@dataclass
class Prepared:
    """A program ready to be started: by `start`, or by `exec` in a launcher.

    `environment` is that of bubblewrap, and empty; `fds` must stay open in
    the started program. `group` is the control group made for it, if any.
    """

    argv: list[str]
    environment: dict[str, str]
    fds: tuple[int, ...]
    group: cgroups.Group | None = None
    _closed: bool = field(default=False, repr=False)

    def exec(self) -> NoReturn:
        """Become the program: for a launcher that a supervisor watches."""
        if self.group is not None:
            self.group.add(0)
        for descriptor in self.fds:
            os.set_inheritable(descriptor, True)
        os.execve(self.argv[0], self.argv, self.environment)  # noqa: S606 - no shell by design

    def close(self) -> None:
        """Close our copies of the descriptors."""
        if not self._closed:
            self._closed = True
            for descriptor in self.fds:
                os.close(descriptor)

    def abandon(self) -> None:
        """Undo the preparation: the program will not be started."""
        self.close()
        if self.group is not None:
            self.group.remove()


def command(
    sandbox: Sandbox,
    argv: Sequence[str],
    *,
    options: Sequence[str] = (),
    fds: Sequence[int] = (),
    channel: int | None = None,
) -> Prepared:
    """What to run so that `argv` runs inside `sandbox`.

    Args:
        options: more options for bubblewrap, which may name `fds`; used by
            `start` for its gate.
        channel: a connected Unix socket over which `init.py` hands out the ends
            of a terminal or of pipes; without it the command keeps the standard
            streams it inherits. `take_streams` is the other side.

    Raises:
        SandboxError: isolation cannot be had, or the overlay could not be made.
    """
    isolation = probe()
    if not isolation.works:
        raise SandboxError(f"Isolation cannot be had here: {isolation.reason}. {isolation.fix}")
    root = isolation.kind == "root"
    if root and not sandbox.uid:
        raise SandboxError("A sandbox of root's needs a uid that is not root's.")
    group = cgroups.create(sandbox.name, sandbox.limits)
    files = Files()
    try:
        order = files.add(_order(sandbox, argv, bounded=group is not None, channel=channel))
        program = _program(sandbox, order, files, options, root=root)
    except BaseException:
        Prepared([], {}, tuple(files.descriptors), group).abandon()
        raise
    own = () if channel is None else (channel,)
    return Prepared(program, {}, (*files.descriptors, *fds, *own), group)


def _program(
    sandbox: Sandbox, order: int, files: Files, options: Sequence[str], *, root: bool
) -> list[str]:
    view = [*_namespaces(sandbox, root=root), *options, *_mounts(sandbox, files, root=root)]
    # By descriptor: the app can read the arguments of its namespace's first process.
    arguments = files.add(b"".join(os.fsencode(one) + b"\0" for one in view))
    return [
        *(str(find_bwrap().path), "--args", str(arguments), "--"),
        *(*_drop(sandbox, root=root), *_idle(sandbox)),
        *(str(panel_python()), "-I", "-S", _INIT, str(order)),
    ]


class Files:
    """Contents handed over in memory, each behind a descriptor."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def add(self, contents: bytes) -> int:
        descriptor = os.memfd_create("paas")
        self.descriptors.append(descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(contents)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def options(self, path: str, contents: bytes) -> list[str]:
        """bubblewrap's options that make the file `path`, readable by all."""
        return ["--perms", "0444", "--file", str(self.add(contents)), path]


def _namespaces(sandbox: Sandbox, *, root: bool) -> Iterator[str]:
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    yield from ("--hostname", HOSTNAME, "--die-with-parent", "--new-session")
    if not root:
        # As root never: `--uid N` of a user namespace maps N to the host's root.
        yield from ("--unshare-user", "--disable-userns")
        if sandbox.root is not None:
            yield from ("--cap-add", "CAP_SYS_CHROOT")
    if not sandbox.network:
        yield "--unshare-net"


def _mounts(sandbox: Sandbox, files: Files, *, root: bool) -> Iterator[str]:
    interpreter = interpreter_binds(panel_python().parent.parent)
    view = "" if sandbox.root is None else _VIEW
    targets = [bind.target for bind in interpreter]
    targets += [f"{view}{bind.target}" for bind in sandbox.binds]
    yield from _parents([f"{view}/etc/passwd", _INIT, *targets])
    yield from system_mounts()
    for bind in interpreter:
        yield from ("--ro-bind", str(bind.source), bind.target)
    yield from files.options(_INIT, _init_source())
    yield from _view(sandbox, files, view, root=root)
    yield from ("--remount-ro", "/", "--chdir", "/")


def _view(sandbox: Sandbox, files: Files, top: str, *, root: bool) -> Iterator[str]:
    """What the command sees beside the system: below the folder `top`, or "" for the root."""
    uid = sandbox.uid if root and sandbox.uid else os.geteuid()
    for path, text in system_files(uid, uid if root else os.getegid()).items():
        yield from files.options(f"{top}{path}", text.encode())
    yield from ("--proc", f"{top}/proc", "--dev", f"{top}/dev", "--remount-ro", f"{top}/dev")
    for folder in ("/dev/shm", TMP):  # noqa: S108 - inside, and private
        size = str(sandbox.tmp_mb * _MIB)
        yield from ("--perms", "1777", "--size", size, "--tmpfs", f"{top}{folder}")
    yield from ("--dir", f"{top}/run", "--dir", f"{top}/var", "--symlink", TMP, f"{top}/var{TMP}")
    if sandbox.root is not None:
        yield from _stand_in(sandbox.root, top)
    for bind in sandbox.binds:
        kind = "--bind" if bind.writable else "--ro-bind"
        yield from (kind, str(bind.source), f"{top}{bind.target}")
    if sandbox.overlay is not None:
        yield from _overlay(sandbox.overlay, top, sandbox.uid if root else None)


def _stand_in(system: Root, top: str) -> Iterator[str]:
    yield from _parents([f"{top}{path}" for path in system.links])
    for path, target in system.links.items():
        yield from ("--symlink", target, f"{top}{path}")
    if _RESOLVER not in system.links:
        yield from ("--ro-bind-try", _RESOLVER, f"{top}{_RESOLVER}")


def _parents(targets: Sequence[str]) -> Iterator[str]:
    """The folders above `targets`, for all to pass: bubblewrap would close some to the app."""
    folders = {folder for target in targets for folder in Path(target).parents}
    for folder in sorted(folders - {Path("/")}):
        yield from ("--perms", "0755", "--dir", str(folder))


def _overlay(overlay: Overlay, top: str, uid: int | None) -> list[str]:
    for leftover in ("upper", "work"):  # of a process that a supervisor starts again
        remove_tree(overlay.scratch / leftover)
    upper = make_folder(overlay.scratch / "upper", uid)
    target = f"{top}{overlay.target}"
    if overlay.owned or not overlay_works(overlay.scratch):
        copy_tree(overlay.lower, upper)
        if overlay.owned:
            give_tree(upper, uid)
        return ["--bind", str(upper), target]
    work = make_folder(overlay.scratch / "work", uid)
    lower = ["--overlay-src", str(overlay.lower)]
    return [*lower, "--overlay", str(upper), str(work), target]


def _drop(sandbox: Sandbox, *, root: bool) -> list[str]:
    if not root:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SandboxError("setpriv is missing. Install the package `util-linux` of your system.")
    who = ["--reuid", str(sandbox.uid), "--regid", str(sandbox.uid), "--clear-groups"]
    kept = "-all" if sandbox.root is None else "-all,+sys_chroot"
    return [
        *(str(Path(setpriv).resolve()), *who, "--no-new-privs"),
        *("--bounding-set", kept, "--inh-caps", kept, "--ambient-caps", kept, "--"),
    ]


def _idle(sandbox: Sandbox) -> list[str]:
    """Whoever is nice to the processors is nice to the disks too."""
    ionice = shutil.which("ionice") if sandbox.limits.nice else None
    return [str(Path(ionice).resolve()), "-c", "3", "-t"] if ionice else []


def _order(sandbox: Sandbox, argv: Sequence[str], *, bounded: bool, channel: int | None) -> bytes:
    environment = {"PATH": system_path(), **sandbox.environment}
    order = {
        "argv": list(argv),
        "channel": channel,
        "root": None if sandbox.root is None else _VIEW,
        "environment": environment,
        "cwd": sandbox.cwd,
        "umask": 0o022,
        "nice": sandbox.limits.nice,
        "oom_score": _OOM_SCORE,
        "rlimits": _rlimits(sandbox, bounded=bounded),
    }
    return json.dumps(order).encode()


def _rlimits(sandbox: Sandbox, *, bounded: bool) -> dict[str, int]:
    limits = sandbox.limits
    found = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": max(limits.open_files, _NOFILE_FLOOR)}
    if limits.file_mb is not None:
        found["RLIMIT_FSIZE"] = limits.file_mb * _MIB
    if limits.processes is not None and not bounded:
        found["RLIMIT_NPROC"] = limits.processes
    return found


def _init_source() -> bytes:
    """Handed over as text: the file itself may be closed to the app's user."""
    return Path(init.__file__).read_bytes()
