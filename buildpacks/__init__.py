"""A directory → a Plan. Pure Python: no Django, no network, nothing of the tree is run.

`detect` and `plan` are the whole interface; the words of a Plan are in
`buildpacks.plan`.
"""

from buildpacks.errors import PlanError
from buildpacks.plan import Plan
from buildpacks.planner import detect, plan
from buildpacks.tree import SourceTree

__all__ = ["Plan", "PlanError", "SourceTree", "detect", "plan"]
