"""Ten who read at once: `python -m tests.bench.readers PORT PATH SECONDS`.

The headers of every request come as JSON on standard input. Prints the seconds
of each answer as a JSON list. An answer that is not 200 or 206 ends it with status 1.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

CLIENTS = 10


def main(port: int, path: str, seconds: float) -> None:
    headers = json.load(sys.stdin)
    taken: list[float] = []
    wrong: list[str] = []
    end = time.monotonic() + seconds

    def read() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < end and not wrong:
            started = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            taken.append(time.perf_counter() - started)
            if answer.status not in (200, 206):
                wrong.append(f"{answer.status}: {body[:200]!r}")

    threads = [threading.Thread(target=read) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        sys.exit(f"{path}: {wrong[0]}")
    json.dump(taken, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
