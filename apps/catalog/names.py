"""One grammar for every identifier, checked at the model and so at every entry."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Grammar:
    """A pattern for the whole text and its rule in words (`\\Z`: `$` lets a line end pass)."""

    pattern: str
    rule: str

    def matches(self, text: str) -> bool:
        return re.match(self.pattern, text) is not None


APP_NAME = Grammar(
    r"\A[a-z][a-z0-9-]{1,28}[a-z0-9]\Z",
    "An app's name has 3 to 30 lower-case letters, digits and dashes; it starts with a letter "
    "and does not end with a dash.",
)
PROCESS_TYPE = Grammar(
    r"\A[-\w]{1,128}\Z",
    "A process type has letters, digits, dashes and underscores, 128 at most.",
)
CONFIG_NAME = Grammar(
    r"\A[A-Za-z_][A-Za-z0-9_]{0,254}\Z",
    "A config var's name has letters, digits and underscores, and does not start with a digit.",
)
BRANCH_NAME = Grammar(
    r"\A(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|\Z)))[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}(?<![/.])\Z",
    "A branch's name has letters, digits and . _ / + -; see `git help check-ref-format`.",
)
HOST_NAME = Grammar(
    r"\A(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z",
    "A host name has two or more parts of letters, digits and dashes, joined by dots.",
)

# Names that are paths of the panel, so that /<app>.git and <app>.<domain> stay unmistakable.
RESERVED_APP_NAMES = frozenset(
    {
        "account",
        "api",
        "apps",
        "cache",
        "dashboard",
        "docs",
        "git",
        "healthz",
        "internal",
        "localhost",
        "login",
        "nodes",
        "oauth",
        "openapi",
        "paas",
        "static",
        "www",
    }
)
