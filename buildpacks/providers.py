"""The languages, in the order in which they are looked for, and how their plans join."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from buildpacks.go import is_go, plan_go
from buildpacks.node import is_node, plan_node
from buildpacks.php import is_php, plan_php
from buildpacks.plan import Phase, Plan
from buildpacks.python import MANAGE, is_python, plan_python
from buildpacks.ruby import is_ruby, plan_ruby
from buildpacks.rust import is_rust, plan_rust
from buildpacks.tree import SourceTree

_EARLY = frozenset({"setup", "fetch", "rebuild", "install"})


@dataclass(frozen=True)
class Wish:
    """What a provider is asked for besides the tree.

    `variables` are those of nixpacks.toml, `processes` those of the Procfile;
    `default_web` says whether to look for a web command.
    """

    variables: Mapping[str, str]
    processes: Mapping[str, str]
    default_web: bool


@dataclass(frozen=True)
class Provider:
    """A language: `name` as nixpacks.toml spells it, `shown` as people do."""

    name: str
    shown: str
    detect: Callable[[SourceTree], bool]
    plan: Callable[[SourceTree, Wish], Plan]


def _node(tree: SourceTree, wish: Wish) -> Plan:
    return plan_node(tree, wish.variables, default_web=wish.default_web, processes=wish.processes)


def _go(tree: SourceTree, wish: Wish) -> Plan:
    return plan_go(tree, wish.variables, default_web=wish.default_web)


def _php(tree: SourceTree, wish: Wish) -> Plan:
    return plan_php(tree, wish.variables, default_web=wish.default_web)


def _ruby(tree: SourceTree, wish: Wish) -> Plan:
    return plan_ruby(tree, wish.variables, default_web=wish.default_web)


def _python(tree: SourceTree, wish: Wish) -> Plan:
    return plan_python(tree, wish.variables, default_web=wish.default_web)


def _rust(tree: SourceTree, wish: Wish) -> Plan:
    return plan_rust(tree, wish.variables, default_web=wish.default_web)


# Nixpacks' order
LANGUAGES = (
    Provider("go", "Go", is_go, _go),
    Provider("php", "PHP", is_php, _php),
    Provider("ruby", "Ruby", is_ruby, _ruby),
    Provider("node", "Node.js", is_node, _node),
    Provider("python", "Python", is_python, _python),
    Provider("rust", "Rust", is_rust, _rust),
)
BY_NAME = {provider.name: provider for provider in LANGUAGES}


def detected(tree: SourceTree) -> list[Provider]:
    """All languages that `tree` looks like, the leading one first.

    Nixpacks' order, but a Django project leads: its package.json makes assets.
    """
    found = [provider for provider in LANGUAGES if provider.detect(tree)]
    if MANAGE in tree.entries:
        found.sort(key=lambda provider: provider.name != "python")
    return found


def join(plans: list[Plan]) -> Plan:
    """One plan of several: the first one leads and starts the app.

    The others' phases are called `<provider>:<phase>` and make what the
    leading one builds on, so its own build comes last.
    """
    lead, *others = plans
    for other in others:
        lead = _joined(lead, other)
    return lead


def _joined(lead: Plan, other: Plan) -> Plan:
    prefix = other.providers[0]
    added = tuple(_prefixed(phase, prefix) for phase in other.phases)
    last = tuple(phase.name for phase in added)
    phases = tuple(
        phase if phase.name in _EARLY else replace(phase, depends_on=(*phase.depends_on, *last))
        for phase in lead.phases
    )
    return replace(
        lead,
        providers=(*lead.providers, *other.providers),
        name=f"{lead.name} and {other.name}",
        pins=(*lead.pins, *other.pins),
        phases=(*phases, *added),
        variables={**other.variables, **lead.variables},
        python=lead.python or other.python,
        notes=(*lead.notes, *other.notes),
        warnings=(*lead.warnings, *other.warnings),
    )


def _prefixed(phase: Phase, prefix: str) -> Phase:
    return replace(
        phase,
        name=f"{prefix}:{phase.name}",
        depends_on=tuple(f"{prefix}:{name}" for name in phase.depends_on),
    )
