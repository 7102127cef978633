"""Arguments without pydantic.

typer coerces each value by a pydantic adapter, whose import takes longer than
all else a command does. Text needs no coercion, and a plain number hardly
any; everything else, errors included, stays typer's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from typer._coercion import RuntimeParam, TypeDescriptor, build_runtime_param
from typer.core import TyperArgument, TyperOption

_Param = TypeVar("_Param")


@dataclass(frozen=True)
class _Light(RuntimeParam):
    descriptor: TypeDescriptor

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        if self.annotation == list[str]:
            return list(value)
        if isinstance(self.annotation, type) and isinstance(value, self.annotation):
            return value
        if self.annotation is int and value.isascii() and value.isdecimal():
            return self._in_range(int(value), value, param, ctx)
        return build_runtime_param(self.descriptor).coerce(value, param=param, ctx=ctx)

    def _in_range(self, number: int, text: str, param: Any, ctx: Any) -> Any:
        least, most = self.parameter_info.min, self.parameter_info.max
        if (least is None or number >= least) and (most is None or number <= most):
            return number
        return build_runtime_param(self.descriptor).coerce(text, param=param, ctx=ctx)


def lighten(param: _Param) -> _Param:
    """Let `param` take its values without pydantic where that changes nothing."""
    if isinstance(param, TyperArgument | TyperOption):
        described = param.type_descriptor
        param._runtime_param = _Light(described.parameter_info, described.annotation, described)
    return param
