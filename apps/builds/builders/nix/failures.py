"""What a failed Nix build means to the person who pushed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apps.builds.builders import steps
from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.activity import Activities
from apps.builds.builders.nix.realise import LOG_LIMIT, Realised
from apps.builds.builders.steps import Ended
from buildpacks.plan import Phase, Plan

_TOO_MUCH_LOG = "bytes of log output"
_CONSEQUENCE = re.compile(r"dependencies of derivation .* failed to build")
_FULL = "No space left on device"


def explain(plan: Plan, activities: Activities, done: Realised) -> BuildFailed:
    """The reason of a build that ended with a status other than 0."""
    said = "\n".join(activities.errors)
    if _TOO_MUCH_LOG in said:
        return BuildFailed(
            f"The build printed more than {LOG_LIMIT // 1024**2} MiB",
            "It was ended, so that its log does not fill the disk.",
            "Find the command that prints so much in the log above, and make it quiet.",
        )
    if any(_FULL in line for line in (*activities.errors, *activities.tail)):
        return BuildFailed(
            "The build filled the disk",
            "It was ended, and what it wrote has been removed.",
            "Let it write less. If the server's disk is full, ask the administrator to free space.",
        )
    failure = activities.failure
    if failure is not None:
        phase = _phase_of(plan, failure.command)
        ended = Ended(failure.status, tuple(activities.tail), done.out_of_memory)
        return steps.command_failed(phase, failure.command, ended)
    if done.out_of_memory:
        return BuildFailed(
            "The build took too much memory",
            f"It was ended: a build may use {steps.MEMORY_MB} MiB.",
            "Let it use less, or do this work on your machine and commit the result.",
        )
    return BuildFailed(
        "Nix could not build the app",
        _cause(activities.errors)[:1000],
        "If nothing above explains it, ask the administrator to look at the log of the worker.",
    )


def _cause(errors: Sequence[str]) -> str:
    """The last error that is no consequence of another."""
    causes = [one for one in errors if not _CONSEQUENCE.search(one)]
    return (causes or errors or ["It does not say why."])[-1]


def _phase_of(plan: Plan, command: str) -> Phase:
    """The phase that a command belongs to; offline it runs with an option more."""
    found = (one for one in plan.phases if any(command.startswith(c) for c in one.commands))
    return next(found, Phase("install"))
