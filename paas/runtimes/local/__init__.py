"""Apps on this machine: supervisord runs them, bubblewrap isolates them, Caddy leads to them.

`LocalRuntime` is loaded when somebody asks for it, because supervisord and
the launcher of each process import modules of this package and should stay
small and quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paas.runtimes.local.runtime import LocalRuntime

__all__ = ["LocalRuntime"]


def __getattr__(name: str) -> object:
    if name == "LocalRuntime":
        from paas.runtimes.local.runtime import LocalRuntime

        return LocalRuntime
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
