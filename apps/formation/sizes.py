"""Process sizes: Heroku's names, what they mean here."""

from __future__ import annotations

from apps.accounts.errors import Refused
from paas.runtimes.base import Size

_SIZES = [
    Size("standard", memory_mb=512, cpu_shares=1024),
    Size("standard-1x", memory_mb=512, cpu_shares=1024),
    Size("standard-2x", memory_mb=1024, cpu_shares=2048),
    Size("performance-m", memory_mb=2560, cpu_shares=4096, processes=1024),
    Size("performance-l", memory_mb=14336, cpu_shares=8192, processes=4096),
]
SIZES = {size.name: size for size in _SIZES}


def size_named(name: str) -> Size:
    """The size of that name, in any case of letters.

    Raises:
        Refused: there is none such.
    """
    size = SIZES.get(name.lower())
    if size is None:
        raise Refused(f"There is no size {name}. Use one of {', '.join(SIZES)}.")
    return size
