"""Reads log sessions: `python -m tests.bench.listeners SECONDS`, their addresses on standard input.

Prints, as JSON, for each the seconds every line took from the app's `print` to
here, and how many numbers were missing between the first and the last of each.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from urllib.parse import urlsplit

_LINE = re.compile(rb"data: .* app\[worker\.1\]: line (\d+) ([\d.]+)")


async def _listen(address: str, seconds: float) -> tuple[list[float], int]:
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    lags: list[float] = []
    numbers: list[int] = []
    try:
        async with asyncio.timeout(seconds):
            async for line in reader:
                if match := _LINE.match(line):
                    lags.append(time.monotonic() - float(match[2]))
                    numbers.append(int(match[1]))
    except TimeoutError:
        pass
    finally:
        writer.close()
    missing = numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0
    return lags, missing


async def main(addresses: list[str], seconds: float) -> None:
    heard = await asyncio.gather(*(_listen(address, seconds) for address in addresses))
    json.dump(heard, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.stdin.read().split(), float(sys.argv[1])))
