"""A command whose arguments are another command."""

from __future__ import annotations

from itertools import islice
from typing import Any

from typer.core import TyperCommand, TyperOption


class CommandLine(TyperCommand):
    """Its options may stand anywhere before `--`, as with Heroku's client: `run bash -a hello`.

    Whoever types that must not run `bash -a hello` in the app of this folder.
    All other arguments are left as they are, `-la` too.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        takes_value = {
            name: not param.is_flag
            for param in self.get_params(ctx)
            if isinstance(param, TyperOption)
            for name in (*param.opts, *param.secondary_opts)
        }
        if not args or args[0] in self.get_help_option_names(ctx):
            return super().parse_args(ctx, args)
        own, other = split(args, takes_value)
        return super().parse_args(ctx, [*own, "--", *other])


def split(args: list[str], takes_value: dict[str, bool]) -> tuple[list[str], list[str]]:
    """The options of `takes_value` with their values, and everything else, in order."""
    own: list[str] = []
    other: list[str] = []
    rest = iter(args)
    for word in rest:
        name, equals, _ = word.partition("=")
        if word == "--":
            other += rest
        elif word in takes_value:
            own.append(word)
            own += islice(rest, int(takes_value[word]))
        elif equals and name.startswith("--") and name in takes_value:
            own.append(word)
        else:
            other.append(word)
    return own, other
