"""What can go wrong with Nix; every text is fit for the user."""

from __future__ import annotations


class NixError(Exception):
    """Nix could not do it; the text says what, why and the next step."""


class NixUnavailable(NixError):
    """Nix is missing here, too old, or this user may not use its store."""


class NixFailed(NixError):
    """A Nix command failed.

    Args:
        program: what was run, as "nix-store --realise".
        status: its exit status (negative: the signal).
        output: what it said on standard error, as it is.
    """

    def __init__(self, program: str, status: int, output: str) -> None:
        super().__init__(f"{program} failed: {reason(output) or f'exit status {status}'}")
        self.program, self.status, self.output = program, status, output


class NotInStore(NixError):
    """A path that should be in the store is not there (any more)."""


class NotSigned(NixFailed):
    """A cache offers a path without a signature by a key that this store trusts."""


class CacheRefused(NixUnavailable):
    """`PAAS_NIX_CACHE` names what cannot be the cache here."""


class CacheUnreachable(NixError):
    """The cache is elsewhere and does not take what is pushed to it."""


class StoreBusy(NixError):
    """Builds are going on, so nothing can be collected now."""


class DiskFull(NixError):
    """There is no room, and nothing left to collect."""


def reason(output: str) -> str:
    """The last thing that Nix calls an error in `output`, without the word; "" if there is none."""
    lines = [line.strip() for line in output.splitlines()]
    errors = [n for n, line in enumerate(lines) if line.startswith("error:")]
    if not errors:
        return next((line for line in reversed(lines) if line), "")
    tail = [lines[errors[-1]].removeprefix("error:"), *lines[errors[-1] + 1 :]]
    return next((text for text in (line.strip() for line in tail) if text), "")
