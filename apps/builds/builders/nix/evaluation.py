"""Evaluate what a repository says in Nix, where it can neither see nor reach anything.

Nix' language can read files, run fetchers and fill memory. So it is evaluated
in a sandbox without network, as the app's user, with limits on memory and
time; Nix' own restrictions (`restrict-eval`, no import from derivation, no
fetchers) come on top and give the better texts. It works in a store of its
own, made for this evaluation, and hands its result over as a binary cache of
plain files; `handover` believes nothing of them.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from apps.builds.builders import steps
from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.nix import complaints, toolbox
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from paas.instance import Instance
from paas.nix.store import is_store_path
from paas.sandbox import OUR_FOLDER, Bind, Limits, Sandbox, make_folder, remove_tree, uid_for

TREE = "/app"
TIME_LIMIT = 120.0
"""Seconds that an evaluation may take; alone on the machine it takes a second or two."""
LIMITS = Limits(
    memory_mb=2048, cpu_shares=512, processes=64, file_mb=1024, open_files=4096, nice=10
)
_NIX = f"{OUR_FOLDER}/nix"
_REQUEST = f"{OUR_FOLDER}/request"
_NIXPKGS = f"{OUR_FOLDER}/nixpkgs"
_SCRATCH = f"{OUR_FOLDER}/scratch"
_OUT = f"{OUR_FOLDER}/out"
_KEPT_LINES = 500  # an error and its trace are shorter
_CONFIG = {
    "allow-import-from-derivation": "false",
    "allow-unsafe-native-code-during-evaluation": "false",
    "allowed-uris": "",
    "build-users-group": "",
    "builders": "",
    "experimental-features": "nix-command flakes",
    "flake-registry": "",
    "fsync-metadata": "false",
    "max-jobs": "0",
    "nix-path": "",
    "plugin-files": "",
    "restrict-eval": "true",
    "sandbox": "true",
    "store": _SCRATCH,
    "substituters": "",
    "use-registries": "false",
    "warn-dirty": "false",
}


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    Args:
        kind: "devenv", "flake" or "default".
        expressions: the folder `nix` of this installation.
        package_set: the name of a folder in its `packages`.
        revision: the commit.
        imports: what devenv.yaml imports, relative to the top.
        nixpkgs: where it lies, for the set that is made of it.
    """

    kind: str
    expressions: Path
    package_set: str
    revision: str
    imports: tuple[str, ...] = ()
    nixpkgs: Path | None = None


@dataclass(frozen=True)
class Evaluated:
    """A derivation, and the binary cache that has it with all it needs; not to be believed."""

    derivation: str
    cache: Path


@dataclass
class _Patience(Guard):
    """The build's guard, and less time."""

    build: Guard = field(kw_only=True)
    started: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        self.build.check()
        if time.monotonic() - self.started > TIME_LIMIT:
            raise BuildFailed(
                f"The evaluation took longer than {TIME_LIMIT:.0f} seconds",
                "It was ended. Nix files that describe an app are evaluated in a second or two.",
                "Look for a recursion without end, or for one over a very long list.",
            )


def evaluate(
    instance: Instance, job: BuildJob, request: Request, log: BuildLog, guard: Guard
) -> Evaluated:
    """Evaluate `job.tree`, which is left as it is; the result lies in `folder(job)`.

    Raises:
        BuildFailed: the repository is at fault, or there is no Nix.
        BuildCancelled: the guard said so.
    """
    patience = _Patience(guard.cancel, guard.disk, build=guard)
    evaluation = _Evaluation(instance, job, request, log, patience)
    try:
        return evaluation.run()
    except BaseException:
        remove_tree(folder(job))
        raise


def folder(job: BuildJob) -> Path:
    """Where the evaluation works; whoever has called `evaluate` removes it."""
    return job.tree.parent / "evaluation"


def system() -> str:
    """What Nix calls this machine."""
    return f"{os.uname().machine}-linux"


class _Evaluation:
    def __init__(
        self, instance: Instance, job: BuildJob, request: Request, log: BuildLog, guard: Guard
    ) -> None:
        self.job, self.request, self.log, self.guard = job, request, log, guard
        self.folder = folder(job)
        self.uid = uid_for(job.app_number, instance.home)
        self.toolbox = toolbox.find()

    def run(self) -> Evaluated:
        remove_tree(self.folder)
        self.folder.mkdir(mode=0o700)
        for name in ("scratch", "out"):
            make_folder(self.folder / name, self.uid)
        for name in ("request", "nothing"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o755)
        self._write_request()
        derivation = self._instantiate()
        cache = f"file://{_OUT}?compression=none"
        self._nix("nix", "copy", "--no-check-sigs", "--derivation", "--to", cache, derivation)
        return Evaluated(derivation, self.folder / "out")

    def _write_request(self) -> None:
        wish: dict[str, object] = {
            "kind": self.request.kind,
            "set": self.request.package_set,
            "system": system(),
            "root": TREE,
            "imports": list(self.request.imports),
            "revision": self.request.revision,
        }
        if self.request.nixpkgs is not None:
            wish["nixpkgs"] = _NIXPKGS
        path = self.folder / "request" / "request.json"
        path.write_text(json.dumps(wish))
        path.chmod(0o644)

    def _instantiate(self) -> str:
        said = self._nix(
            *("nix-instantiate", f"{_NIX}/native", "-I", TREE, *self._allowed()),
            *("-I", f"nixpkgs={_NIX}/native/nixpkgs"),
            *("--arg", "request", f"{_REQUEST}/request.json"),
            *("--add-root", f"{_SCRATCH}/result"),
        )
        try:
            found = os.readlink(self.folder / "scratch" / "result")  # noqa: PTH115 - as it is
        except OSError:
            found = ""
        if not (is_store_path(found) and found.endswith(".drv")):
            raise complaints.unexpected(said)
        return found

    def _allowed(self) -> Iterator[str]:
        """What may be read besides the repository."""
        own = (_NIX, _REQUEST) if self.request.nixpkgs is None else (_NIX, _REQUEST, _NIXPKGS)
        return (word for name in own for word in ("-I", name))

    def _nix(self, program: str, *arguments: str) -> list[str]:
        """The last lines that the program printed; what the repository traces is logged.

        Raises:
            BuildFailed: it failed, with what Nix says against the repository.
        """
        last: deque[str] = deque(maxlen=_KEPT_LINES)

        def emit(line: str) -> None:
            last.append(line)
            if line.startswith("trace: "):
                self.log.program(line)

        argv = [str(self.toolbox.folder / program), *arguments]
        ended = steps.run(self._box(), argv, emit, self.guard)
        if ended.status != 0:
            raise complaints.failure(last, ended, self._names)
        return list(last)

    def _names(self) -> list[str]:
        """The packages there are."""
        lines: list[str] = []
        argv = [str(self.toolbox.folder / "nix"), "eval", "--raw"]
        argv += [*self._allowed(), "--file", f"{_NIX}/native/names.nix", "names"]
        argv += ["--arg", "request", f"{_REQUEST}/request.json"]
        ended = steps.run(self._box(), argv, lines.append, self.guard)
        return lines if ended.status == 0 else []

    def _box(self) -> Sandbox:
        return Sandbox(
            name=f"build-{self.job.build_id}",
            binds=(
                Bind(self.job.tree, TREE),
                Bind(self.request.expressions, _NIX),
                Bind(self.folder / "request", _REQUEST),
                Bind(self.folder / "scratch", _SCRATCH, writable=True),
                Bind(self.folder / "out", _OUT, writable=True),
                *self._nixpkgs(),
                *self.toolbox.binds(self.folder / "nothing"),
            ),
            root=self.toolbox.root,
            cwd="/",
            environment={
                "HOME": f"{_SCRATCH}/home",
                "LANG": "C.UTF-8",
                "NIX_CONFIG": "".join(f"{name} = {value}\n" for name, value in _CONFIG.items()),
                "NIX_CONF_DIR": _REQUEST,
                "NIX_PATH": "",
                "NIX_USER_CONF_FILES": "",
                "XDG_CACHE_HOME": f"{_SCRATCH}/cache",
            },
            uid=self.uid,
            limits=LIMITS,
        )

    def _nixpkgs(self) -> Iterator[Bind]:
        if self.request.nixpkgs is not None:
            yield Bind(self.request.nixpkgs, _NIXPKGS)
