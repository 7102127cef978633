"""The Rust provider: crates by Cargo.lock, compiled once for it, programs in bin/.

Crates are compiled in a step that sees the lock and the manifests alone, with
stand-ins for the sources of the tree: a change of these compiles them alone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from buildpacks.cargo import MANIFEST, Package, read_packages
from buildpacks.document import read_toml
from buildpacks.errors import PlanError, shown
from buildpacks.plan import Phase, Pin, Plan
from buildpacks.ranges import parse_range
from buildpacks.tree import MAX_LOCK, SourceTree

LOCK = "Cargo.lock"
CONFIGURATION = (".cargo/config.toml", ".cargo/config")
_TOOLCHAIN = ("rust-toolchain.toml", "rust-toolchain")
_PREFERRED = ("web", "server", "app", "api")  # of several programs, the one that serves
_FETCH = "cargo fetch --locked"
_BUILD = "cargo build --release --locked --offline"
_VARIABLES = {"CARGO_HOME": "/deps/cargo", "CARGO_INCREMENTAL": "0", "CARGO_TARGET_DIR": "target"}
# all else in target/ is only good for the next build; Heroku's Procfiles look for programs there
_COLLECT = (
    "mkdir -p bin && find target/release -maxdepth 1 -type f -perm -100 ! -name '*.so' "
    "-exec cp {} bin/ ';' && rm -rf target && mkdir -p target/release && "
    "for name in bin/*; do ln -s ../../$name target/release/; done"
)
_HINT = (
    "Its output above says why. If Cargo.lock does not fit Cargo.toml: run `cargo build`, commit "
    "Cargo.lock and push again. The build has no network, and no C libraries but the usual ones."
)


def is_rust(tree: SourceTree) -> bool:
    """Whether the tree looks like a Rust program."""
    return tree.is_file(MANIFEST)


def plan_rust(tree: SourceTree, variables: Mapping[str, str], *, default_web: bool) -> Plan:
    """The plan of a Rust program.

    Args:
        variables: those of nixpacks.toml.
        default_web: whether one of the programs is to be started as web.

    Raises:
        PlanError: Cargo.lock is not there, a manifest is broken, or nothing is a program.
    """
    packages = read_packages(tree)
    programs = tuple(dict.fromkeys(name for one in packages for name in one.programs))
    if not programs:
        raise PlanError(
            "There is no program to build",
            why="The packages have neither src/main.rs nor anything in src/bin.",
            fix="Add one; or build it yourself by `phases.build.cmds` in nixpacks.toml and start "
            "it by a Procfile.",
            file=MANIFEST,
        )
    pin, warnings = _pin(tree, variables)
    plan = Plan(
        providers=("rust",),
        name="Rust",
        pins=(pin,),
        phases=(Phase("setup"), *_crates(tree, packages), _build()),
        variables=_VARIABLES,
        notes=(f"Building {', '.join(f'bin/{shown(name)}' for name in programs)}",),
        warnings=warnings,
    )
    if not default_web:
        return plan
    web = _web(packages, programs)
    return replace(plan, processes={"web": f"bin/{web}"}, processes_from="Rust")


def _web(packages: Sequence[Package], programs: Sequence[str]) -> str:
    """What `cargo run` would start, else the program at the top, else that which is called so."""
    named = next((one.default_run for one in packages if one.default_run in programs), "")
    if named:
        return named
    if packages[0].programs:
        return packages[0].programs[0]
    return next((name for name in _PREFERRED if name in programs), programs[0])


def _pin(tree: SourceTree, variables: Mapping[str, str]) -> tuple[Pin, tuple[str, ...]]:
    """NIXPACKS_RUST_VERSION, then rust-toolchain(.toml), then `rust-version`, the oldest."""
    asked, source = variables.get("NIXPACKS_RUST_VERSION", ""), "NIXPACKS_RUST_VERSION"
    if not asked:
        asked, source = _channel(tree)
    if asked and asked != "stable":
        return Pin("rust", _checked(asked, source), source), ()
    manifest = read_toml(tree, MANIFEST)
    package = manifest.table("package") if manifest is not None else None
    oldest = package.data.get("rust-version") if package is not None else None
    if isinstance(oldest, str):
        return Pin("rust", _checked(f">={oldest}", MANIFEST), f"rust-version of {MANIFEST}"), ()
    if asked:
        return Pin("rust", "", source), ()
    warning = (
        "No Rust version was specified, so the newest one here is used and may change. Write it "
        f'into {MANIFEST}, for example: rust-version = "1.70".'
    )
    return Pin("rust", "", "default"), (warning,)


def _channel(tree: SourceTree) -> tuple[str, str]:
    for name in _TOOLCHAIN:
        text = tree.read(name)
        if text is None:
            continue
        if name.endswith(".toml") or "[toolchain]" in text:
            document = read_toml(tree, name)
            table = document.table("toolchain") if document is not None else None
            return (table.text("channel") if table is not None else None) or "", name
        return text.strip().split("\n")[0], name
    return "", ""


def _checked(asked: str, source: str) -> str:
    try:
        parse_range(asked)
    except ValueError:
        raise PlanError(
            f'"{shown(asked)}" is not a released version of Rust',
            why="It must be written as 1.70 or 1.70.0; of the channels there is only stable.",
            fix=f"Correct it in {source}.",
            file=None if source.startswith("NIXPACKS") else source,
        ) from None
    return asked


def _crates(tree: SourceTree, packages: Sequence[Package]) -> tuple[Phase, ...]:
    """fetch → install, by the lock and the manifests alone."""
    lock = tree.read(LOCK, MAX_LOCK)
    if lock is None:
        raise PlanError(
            "There is no Cargo.lock",
            why="Without it every build may use other versions of the crates.",
            fix="Run `cargo build`, and commit Cargo.lock (see that .gitignore does not name it).",
            file=MANIFEST,
        )
    if not re.search(r"^source = ", lock, re.MULTILINE):
        return ()
    settings = [name for name in CONFIGURATION if tree.is_file(name)]
    files = (LOCK, *(one.manifest for one in packages), *settings)
    fetch = Phase(
        "fetch",
        commands=(_stand_ins(packages), _FETCH),
        depends_on=("setup",),
        network=True,
        files=files,
        results=("/deps/cargo",),
        # a git dependency runs git, and the configuration may name any program
        inert=not settings and not re.search(r'^source = "git', lock, re.MULTILINE),
        hint=_HINT,
    )
    names = " ".join(f"-p {shlex.quote(one.name)}" for one in packages if one.name)
    install = Phase(
        "install",
        commands=(
            _stand_ins(packages),
            f"{_BUILD} && cargo clean --release --locked --offline {names}",
        ),
        depends_on=("fetch",),
        files=files,
        results=("/deps/cargo", "target"),
        hint=_HINT,
    )
    return fetch, install


def _stand_ins(packages: Sequence[Package]) -> str:
    """The command that makes a source for each one that Cargo would miss."""
    sources = [path for one in packages for path in one.sources]
    folders = sorted({path.rpartition("/")[0] or "." for path in sources})
    return (
        f"mkdir -p -- {shlex.join(folders)} && "
        f"echo '#![allow(warnings)] fn main() {{}}' | tee -- {shlex.join(sources)} > /dev/null"
    )


def _build() -> Phase:
    return Phase(
        "build",
        commands=(_BUILD, _COLLECT),
        depends_on=("install",),
        hint=_HINT,
    )
