"""Repositories that describe themselves in Nix, built so far that a plan can go on from it.

What the repository says is evaluated (`evaluation`), looked at (`inspection`)
and built: the result, one store path, says which programs, variables and
processes there are. The rest is a plan like any other, with these in it: the
tree becomes /app, the dependencies of languages come in by their locks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from apps.builds.builders.base import BuildFailed, BuildJob
from apps.builds.builders.nix import downloads, evaluation, handover
from apps.builds.builders.nix.activity import Activities, Step
from apps.builds.builders.nix.evaluation import Request
from apps.builds.builders.nix.failures import explain
from apps.builds.builders.nix.inspection import inspect
from apps.builds.builders.nix.packages import PackageSet
from apps.builds.builders.nix.realise import realise
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from buildpacks import PlanError, SourceTree
from buildpacks.nix import FILES, Language, read_devenv_yaml, with_languages
from buildpacks.plan import Plan
from buildpacks.planner import NO_WEB
from buildpacks.procfile import check_command, check_type
from paas.nix.roots import Roots
from paas.nix.store import Store
from paas.sandbox import remove_tree

_KINDS = {"devenv": "devenv", "flake": "flake", "nix": "default"}
_MAX_DESCRIPTION = 4 * 1024 * 1024
# service → the config var by which apps find one
_ADDRESSES = {
    "elasticsearch": "ELASTICSEARCH_URL",
    "memcached": "MEMCACHED_SERVERS",
    "mongodb": "MONGODB_URI",
    "mysql": "DATABASE_URL",
    "postgres": "DATABASE_URL",
    "rabbitmq": "CLOUDAMQP_URL",
    "redis": "REDIS_URL",
    "valkey": "REDIS_URL",
}


@dataclass(frozen=True)
class Native:
    """What became of the repository's Nix.

    Args:
        root: the store path whose closure holds all that it mentions.
        path: folders for PATH.
        plan: the plan with what the repository says in it.
        steps: what was built or fetched for it.
    """

    root: str
    path: tuple[str, ...]
    plan: Plan
    steps: tuple[Step, ...] = ()


def is_native(plan: Plan) -> bool:
    """Whether the plan is that of a repository in Nix."""
    return plan.providers[:1] != () and plan.providers[0] in FILES


def describe(
    packages: PackageSet, plan: Plan, job: BuildJob, log: BuildLog, guard: Guard
) -> Native:
    """Evaluate and build what `job.tree` says of itself.

    A root called `root_name(job)` keeps the result until the caller removes it.

    Raises:
        BuildFailed: the repository is at fault; no root holds what the store has of it.
        BuildCancelled: the guard said so.
    """
    store, provider = packages.store, plan.providers[0]
    file = FILES[provider][0]
    log.step(f"Evaluating {file} with the package set {packages.name}")
    try:
        derivation = _derivation(packages, provider, job, log, guard)
        activities = Activities(log, {})
        root = _built(packages, plan, derivation, job, activities, guard)
        said = _read(store, root)
        _tell(said, file, log)
        refined = _refined(plan, said, file, job)
    except PlanError as error:
        what = f"{error.file}: {error.what}" if error.file else error.what
        raise BuildFailed(what, error.why, error.fix) from None
    for note in refined.notes[len(plan.notes) :]:
        log.step(note)
    for warning in refined.warnings[len(plan.warnings) :]:
        log.warn(warning)
    return Native(root, _path(said, refined), refined, tuple(activities.steps))


def root_name(job: BuildJob) -> str:
    """The garbage collector's root of a result that no image holds yet."""
    return f"{job.build_id}-native"


def _derivation(
    packages: PackageSet, provider: str, job: BuildJob, log: BuildLog, guard: Guard
) -> str:
    """The derivation in the store, seen to be harmless, with what it is made of."""
    imports = read_devenv_yaml(SourceTree(job.tree)).imports if provider == "devenv" else ()
    request = Request(
        kind=_KINDS[provider],
        expressions=packages.path.parent.parent,
        package_set=packages.name,
        revision=job.commit,
        imports=imports,
        nixpkgs=packages.nixpkgs,
    )
    try:
        found = evaluation.evaluate(packages.instance, job, request, log, guard)
        handover.take(packages.store, found)
    finally:
        remove_tree(evaluation.folder(job))
    inspected = inspect(packages.store, found.derivation, packages.sources)
    downloads.fetch(packages.store, inspected.downloads, log, guard)
    if inspected.unbuilt:
        packages.provide([found.derivation], log)
    return found.derivation


def _built(
    packages: PackageSet,
    plan: Plan,
    derivation: str,
    job: BuildJob,
    activities: Activities,
    guard: Guard,
) -> str:
    tmp = job.tree.parent / "native"
    roots = Roots.of(packages.instance)
    link = str(roots.link(root_name(job)))
    argv = ("nix-store", "--realise", derivation, "--add-root", link)
    try:
        done = realise(packages.store, argv, activities, guard, name=f"nix-{job.build_id}", tmp=tmp)
    finally:
        remove_tree(tmp)
    if done.status != 0:
        raise explain(plan, activities, done)
    (path,) = roots.all()[root_name(job)]
    return path


def _read(store: Store, root: str) -> dict[str, Any]:
    path = store.physical(root) / "native.json"
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_MAX_DESCRIPTION + 1)
    if len(text) > _MAX_DESCRIPTION:
        raise BuildFailed(
            "The repository's Nix says too much",
            "Its processes, variables and packages take too long to write down.",
            f"At most {_MAX_DESCRIPTION // 1024} KiB are read: use files instead of variables.",
        )
    found: dict[str, Any] = json.loads(text)
    return found


def _tell(said: Mapping[str, Any], file: str, log: BuildLog) -> None:
    """Hints that a developer's file gives for the app's surroundings."""
    for service in said["services"]:
        name = _ADDRESSES.get(service)
        how = f"set {name} with `paas config:set`" if name else "tell the app where by config vars"
        log.warn(
            f"services.{service} of {file} does not run with the app: "
            f"give it one that lasts, and {how}."
        )
    if said["ignored"]:
        log.step(f"Without effect here: {', '.join(said['ignored'])}")


def _refined(plan: Plan, said: Mapping[str, Any], file: str, job: BuildJob) -> Plan:
    """`plan` with what the repository says; Procfile and nixpacks.toml win.

    Raises:
        PlanError: a process cannot be called that, or a language's files are broken.
    """
    languages = [
        Language(
            name=name,
            version=str(one["version"] or ""),
            dependencies=one["dependencies"],
            directory=one["directory"],
            file=one.get("file"),
            text=one.get("text"),
        )
        for name, one in said["languages"].items()
    ]
    whole = with_languages(plan, SourceTree(job.tree), languages)
    processes = {
        check_type(name, file, f"processes.{name}"): check_command(command, file, name)
        for name, command in said["processes"].items()
    }
    return replace(
        whole,
        processes={**processes, **plan.processes},
        processes_from=plan.processes_from or file,
        variables={**whole.variables, **said["environment"], **plan.variables},
        warnings=(
            *whole.warnings,
            *(() if "web" in {*processes, *plan.processes} else (NO_WEB,)),
        ),
    )


def _path(said: Mapping[str, Any], plan: Plan) -> tuple[str, ...]:
    """Folders for PATH; a language that the plan brings is not put before its environment."""
    brought = {"javascript" if name == "node" else name for name in plan.providers}
    own = (
        folder
        for name, one in said["languages"].items()
        if name not in brought
        for folder in one["path"]
    )
    return tuple(dict.fromkeys([*said["path"], *own]))
