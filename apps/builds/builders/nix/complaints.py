"""What Nix says against a repository, as errors fit for its author."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.steps import Ended

Names = Callable[[], Sequence[str]]
_REFUSAL = re.compile(r"paas-refusal:(\{.*\})")
_PLACE = re.compile(r"\bat (?:«[^»]*»|/app/([^\s:]+)):(\d+):\d+")
_MISSING = re.compile(r"(?:attribute|undefined variable) '([^']{1,100})'")
_HINT = re.compile(r"^(\(use '--show-trace'|Did you mean)")
_CRASHED = (134, 139)  # by SIGABRT, SIGSEGV: a recursion deeper than the stack
_LONGEST = 300
_NEAREST = 3


@dataclass(frozen=True)
class _Known:
    """Something Nix says that needs more words than Nix has for it."""

    pattern: re.Pattern[str]
    what: str
    why: str
    fix: str


_KNOWN = (
    _Known(
        re.compile(r"infinite recursion|stack overflow"),
        "recurses without end",
        "A value is defined by itself.",
        "Where modules depend on `config`, use lib.mkIf instead of if; else look at the place "
        "that is named.",
    ),
    _Known(
        re.compile(r"allow-import-from-derivation|cannot build '.*' during evaluation"),
        "imports from a derivation",
        "Nothing is built while a repository is evaluated, whatever its nixConfig says.",
        "Commit the file that would be built and import that.",
    ),
    _Known(
        re.compile(r"access to URI '(?P<name>[^']*)' is forbidden"),
        "wants to download {name}",
        "Repositories are evaluated without a network.",
        "Commit what you need, or use a package of the set.",
    ),
    _Known(
        re.compile(r"access to (?:absolute |canonical )?path '(?P<name>[^']*)' is forbidden"),
        "wants to read {name}",
        "Only the files of the repository can be read.",
        "Copy the file into the repository.",
    ),
    _Known(
        re.compile(r"program 'git' failed|unable to download|Could not resolve host"),
        "wants to fetch something",
        "Repositories are evaluated without a network, from their files alone.",
        "Commit what you need, or use a package of the set.",
    ),
    _Known(
        re.compile(r"experimental Nix feature '(?P<name>[^']*)' is disabled"),
        "uses {name}, an experimental feature of Nix",
        "It is not switched on, here or in Nix itself.",
        "Do without it.",
    ),
    _Known(
        re.compile(r"(?i)out of memory|bad_alloc|too many heap sections"),
        "takes too much memory",
        "Its evaluation was ended.",
        "Look for a list or text that grows without end.",
    ),
)


def failure(lines: Collection[str], ended: Ended, names: Names) -> BuildFailed:
    """The error of an evaluation that failed.

    Args:
        lines: the last that Nix printed.
        names: tells the names of the packages there are; asked where one is missing.
    """
    refused = next((found for line in lines if (found := _REFUSAL.search(line))), None)
    if refused is not None and (told := _refusal(refused[1])) is not None:
        return told
    place = _place(lines)
    said = _error(lines)
    if ended.out_of_memory:
        said = "out of memory"
    elif ended.status in _CRASHED:
        said = "stack overflow"
    for known in _KNOWN:
        found = known.pattern.search(said)
        if found is not None:
            what = known.what.format(**{key: text[:100] for key, text in found.groupdict().items()})
            return BuildFailed(f"{place}{what}", known.why, known.fix)
    missing = _MISSING.search(said)
    if missing is not None:
        return _missing(place, said, missing[1], names())
    return BuildFailed(
        f"{place}cannot be evaluated",
        f"Nix says: {said}." if said else f"Nix ended with exit status {ended.status}.",
        "Correct it, and try it with `nix-instantiate --eval` on your machine.",
    )


def unexpected(lines: Collection[str]) -> BuildFailed:
    """The error that an evaluation gave no derivation, though Nix did not complain."""
    return BuildFailed(
        "The evaluation gave nothing to build",
        f"Nix says: {_error(lines) or 'nothing'}.",
        "Evaluate the repository with Nix on your machine.",
    )


def _refusal(text: str) -> BuildFailed | None:
    """An error by `nix/native/refuse.nix`; None if it only looks like one."""
    try:
        data: dict[str, Any] = json.loads(text)
        what, why, fix, file = (str(data[key]) for key in ("what", "why", "fix", "file"))
        nearest = _nearest(str(data["name"]), [str(one) for one in data["known"]])
    except (ValueError, KeyError, TypeError):
        return None
    return BuildFailed(f"{file}: {what}" if file else what, f"{why}{nearest}", fix)


def _missing(place: str, said: str, name: str, names: Sequence[str]) -> BuildFailed:
    if name in names:
        return BuildFailed(
            f"{place}{said}",
            "It is a package, but it was looked for elsewhere than in pkgs.",
            f"Write pkgs.{name}.",
        )
    return BuildFailed(
        f"{place}{said}",
        f"If it should be a package: this server's set has no {name}.{_nearest(name, names)}",
        "Correct the name, or do without it.",
    )


def _nearest(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, known, _NEAREST, 0.5)
    begins = [one for one in known if name and one.startswith(name)][:_NEAREST]
    both = list(dict.fromkeys([*found, *begins]))[:_NEAREST]
    return f" Nearest to it: {', '.join(both)}." if both else ""


def _place(lines: Collection[str]) -> str:
    """The place in the repository that Nix names, as "devenv.nix:3: "; "" if there is none."""
    found = [match for line in lines for match in _PLACE.finditer(line) if match[1]]
    return f"{found[-1][1]}:{found[-1][2]}: " if found else ""


def _error(printed: Collection[str]) -> str:
    """The last error's first line, with its paths as the author knows them."""
    lines = list(printed)
    starts = [n for n, line in enumerate(lines) if line.strip().startswith("error:")]
    if not starts:
        return ""
    said = [lines[starts[-1]].strip().removeprefix("error:"), *lines[starts[-1] + 1 :]]
    first = next((text for text in (line.strip() for line in said) if text), "")
    return first.replace("/app/", "")[:_LONGEST]
