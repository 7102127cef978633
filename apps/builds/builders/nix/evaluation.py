"""Evaluate what a repository says in Nix, where it can neither see nor reach anything.

Nix' language can read files, run fetchers and fill memory. So it is evaluated
in a sandbox without network, as the app's user, with limits on memory and
time; Nix' own restrictions (`restrict-eval`, no import from derivation, no
fetchers) come on top and give the better texts. It works in a store of its
own, made for this evaluation, and hands its result over as a binary cache of
plain files; `take` believes nothing of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from apps.builds.builders import steps
from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.nix import complaints
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from paas.instance import Instance
from paas.nix.errors import NixError
from paas.nix.store import Store, is_store_path, require_nix
from paas.sandbox import OUR_FOLDER, Bind, Limits, Sandbox, make_folder, remove_tree, uid_for

TREE = "/app"
TIME_LIMIT = 60.0
"""Seconds that an evaluation may take; nixpkgs' largest packages take a tenth of it."""
LIMITS = Limits(
    memory_mb=2048, cpu_shares=512, processes=64, file_mb=1024, open_files=4096, nice=10
)
_NIX = f"{OUR_FOLDER}/nix"
_REQUEST = f"{OUR_FOLDER}/request"
_SCRATCH = f"{OUR_FOLDER}/scratch"
_OUT = f"{OUR_FOLDER}/out"
_STORE = "/nix/store"
_MAX_PATHS = 20_000  # of one evaluation; a whole NixOS has a few thousand
_KEPT_LINES = 500  # an error and its trace are shorter
_MAX_NARINFO = 1024 * 1024
_CONFIG = {
    "allow-import-from-derivation": "false",
    "allow-unsafe-native-code-during-evaluation": "false",
    "allowed-uris": "",
    "build-users-group": "",
    "builders": "",
    "experimental-features": "nix-command flakes",
    "flake-registry": "",
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
    """

    kind: str
    expressions: Path
    package_set: str
    revision: str
    imports: tuple[str, ...] = ()


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
        self.programs = _programs()

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
        wish = {
            "kind": self.request.kind,
            "set": self.request.package_set,
            "system": system(),
            "root": TREE,
            "imports": list(self.request.imports),
            "revision": self.request.revision,
        }
        path = self.folder / "request" / "request.json"
        path.write_text(json.dumps(wish))
        path.chmod(0o644)

    def _instantiate(self) -> str:
        allowed = (word for name in (TREE, _NIX, _REQUEST) for word in ("-I", name))
        said = self._nix(
            *("nix-instantiate", f"{_NIX}/native", *allowed),
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

        argv = [str(self.programs / program), *arguments]
        ended = steps.run(self._box(), argv, emit, self.guard)
        if ended.status != 0:
            raise complaints.failure(last, ended, self._names)
        return list(last)

    def _names(self) -> list[str]:
        """The packages there are."""
        lines: list[str] = []
        argv = [str(self.programs / "nix"), "eval", "--raw", "--file", f"{_NIX}/native/names.nix"]
        argv += [
            "-I",
            _NIX,
            "-I",
            _REQUEST,
            "--arg",
            "request",
            f"{_REQUEST}/request.json",
            "names",
        ]
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
                *self._hidden(),
            ),
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

    def _hidden(self) -> Iterator[Bind]:
        """The machine's store is none of the app's business, unless Nix itself lies there."""
        if Path(_STORE).is_dir() and not self.programs.is_relative_to(_STORE):
            yield Bind(self.folder / "nothing", _STORE)


def _programs() -> Path:
    """The folder of Nix' programs, which are links to one file.

    Raises:
        BuildFailed: there is no Nix.
    """
    try:
        require_nix()
    except NixError as error:
        raise BuildFailed(
            "Nix cannot be used on this server", str(error), "Ask the administrator."
        ) from None
    found = shutil.which("nix")
    assert found is not None
    return Path(found).resolve().parent


# --- into the real store ------------------------------------------------------
_FIELD = re.compile(r"^(?P<key>[A-Za-z]+): ?(?P<value>.*)$")


def take(store: Store, result: Evaluated) -> None:
    """Take the derivation and its inputs into the real store.

    Only paths named after their contents are taken, whose names Nix computes
    again from what it reads; and only ones that the cache brings itself, so
    that nobody names another app's path as an input.

    Raises:
        BuildFailed: the result is not what an evaluation makes.
        NixFailed: a path is not named after what it holds.
    """
    if result.derivation not in set(_offered(result.cache)):
        raise _forged("the derivation is missing")
    source = f"file://{result.cache}"
    store.run("nix", "copy", "--derivation", "--from", source, "--", result.derivation)


def _offered(cache: Path) -> Iterator[str]:
    """The paths that the cache offers, having looked at what it says of them."""
    infos = [_narinfo(path) for path in _narinfo_files(cache)]
    offered = {info.get("StorePath", "") for info in infos}
    for info in infos:
        path = info.get("StorePath", "")
        if not is_store_path(path):
            raise _forged("a path has no proper name")
        if not info.get("CA", "").startswith(("text:sha256:", "fixed:")):
            raise _forged(f"{path} is not named after its contents")
        for name in info.get("References", "").split():
            if f"{_STORE}/{name}" not in offered:
                raise _forged(f"{path} needs {name}, which is not part of it")
        yield path


def _narinfo_files(cache: Path) -> list[Path]:
    found = sorted(cache.glob("*.narinfo"))
    if len(found) > _MAX_PATHS:
        raise BuildFailed(
            f"The evaluation made {len(found)} derivations and files",
            f"At most {_MAX_PATHS} are taken.",
            "Describe the app with fewer packages and files.",
        )
    return found


def _narinfo(path: Path) -> dict[str, str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_MAX_NARINFO).decode(errors="replace")
    matches = (_FIELD.match(line) for line in text.split("\n"))
    return {match["key"]: match["value"] for match in matches if match is not None}


def _forged(why: str) -> BuildFailed:
    return BuildFailed(
        "The evaluation's result was not accepted",
        f"It is not what Nix makes: {why}.",
        "Evaluate the repository with Nix on your machine to see what it makes.",
    )
