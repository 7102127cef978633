"""Trees written down as {path: content}."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from buildpacks import Plan, PlanError, SourceTree, plan
from buildpacks.plan import Phase

MakeTree = Callable[..., SourceTree]
Refusal = Callable[..., PlanError]


def phase_of(made: Plan, name: str) -> Phase:
    """The phase `name`, which must be there."""
    return next(phase for phase in made.phases if phase.name == name)


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    def make(files: dict[str, str | bytes]) -> SourceTree:
        root = tmp_path / "tree"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return SourceTree(root)

    return make


@pytest.fixture
def refusal(make_tree: MakeTree) -> Refusal:
    """The error of planning a tree; it must name what, why and the fix."""

    def refuse(files: dict[str, str | bytes]) -> PlanError:
        with pytest.raises(PlanError) as caught:
            plan(make_tree(files))
        error = caught.value
        assert error.what and error.why and error.fix
        assert not error.what.endswith(".")
        assert "\n" not in error.what
        return error

    return refuse
