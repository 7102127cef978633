"""Commands that end with whoever runs them: an orphan would work on, and be nobody's to stop."""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def tied(argv: Sequence[str]) -> list[str]:
    """`argv`, so that it gets SIGTERM when the thread that starts it ends.

    At that Nix ends its builders. Without setpriv (util-linux, which the
    sandbox needs as well) it is `argv` as it stands.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *argv] if setpriv else list(argv)
