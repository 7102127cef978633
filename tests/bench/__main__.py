"""`make bench`, or `python -m tests.bench NAME...` for some of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from tests.bench import (
    cluster,
    crowd,
    deploys,
    large_push,
    machine,
    memory,
    nix_builds,
    reading,
    switches,
    tails,
    throughput,
)
from tests.bench.table import Invalid, Row, Verdict, render

MEASUREMENTS: dict[str, Callable[[], Iterable[Row]]] = {
    "memory": memory.measure,
    "deploys": deploys.measure,
    "switches": switches.measure,
    "throughput": throughput.measure,
    "large_push": large_push.measure,
    "crowd": crowd.measure,
    "reading": reading.measure,
    "tails": tails.measure,
    "nix": nix_builds.measure,
    "cluster": cluster.measure,
}


def main(names: list[str]) -> int:
    """0 when every figure keeps its target, 1 when one does not, 2 for an unknown name."""
    if unknown := set(names) - MEASUREMENTS.keys():
        print(f"No such measurement: {', '.join(sorted(unknown))}.", file=sys.stderr)
        print(f"There are: {', '.join(MEASUREMENTS)}.", file=sys.stderr)
        return 2
    print(machine.describe())
    if warning := machine.busy():
        print(warning)
    rows = [row for name in names or MEASUREMENTS for row in _run(name)]
    print(f"\n{render(rows)}")
    return 1 if {row.verdict for row in rows} & {Verdict.OVER, Verdict.FAILED} else 0


def _run(name: str) -> list[Row]:
    """A measurement's rows; one that fails does not keep the others from running."""
    started = time.monotonic()
    rows: list[Row] = []
    try:
        for row in MEASUREMENTS[name]():
            _progress(f"{name}: {row.figure}: {row.ours}")
            rows.append(row)
    except (Invalid, AssertionError, OSError) as error:
        _progress(f"{name}: {error}")
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        rows.append(Row(name, reason[:60], "", "", Verdict.FAILED))
    _progress(f"{name}: {time.monotonic() - started:.0f} s")
    return rows


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
