"""`python -m paas.gateway`: git's front, see docs/architecture.md."""

from __future__ import annotations

import asyncio
import logging
import sys

from paas import instance
from paas.gateway.hooks import HookError
from paas.gateway.server import serve


def main() -> int:
    """Run the gateway of the instance that the environment names; returns the exit status."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(instance.current()))
    except (instance.InstanceError, HookError, OSError) as error:
        print(f"paas gateway: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
