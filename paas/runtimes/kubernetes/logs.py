"""What containers print, as the API tells it: followed without a gap, and without a line twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from paas.runtimes.kubernetes.client import Client
from paas.runtimes.kubernetes.kinds import POD
from paas.runtimes.kubernetes.names import Object


def follow(
    client: Client, pod: Object, container: str, *, after: str = "", previous: bool = False
) -> Iterator[tuple[str, str]]:
    """Lines of the container that runs now, each with its time, until it ends.

    Args:
        after: the time of the last line one has seen; "" from the beginning.
        previous: of the one before it, which has ended.

    Raises:
        ApiError: it has not started, or is gone.
        Unreachable: the connection broke; go on `after` the last time.
    """
    meta = pod["metadata"]
    query = {"container": container, "follow": "true", "timestamps": "true"}
    if previous:
        query["previous"] = "true"
    if after:
        query["sinceTime"] = after  # whole seconds: what is not newer is left out below
    path = POD.path(meta["namespace"], meta["name"], "log")
    with closing(client.stream(path, query)) as stream:
        for raw in stream.lines():
            time, _, text = raw.partition(b" ")
            stamp = in_utc(time.decode(errors="replace"))
            if stamp > after:
                yield stamp, text.decode(errors="replace").removesuffix("\r")


def in_utc(stamp: str) -> str:
    """A line's time as text that sorts.

    The machine writes it in its own time zone, `…T20:38:11.123456789+01:00`,
    always with nine digits.
    """
    if stamp.endswith("Z"):
        return stamp
    try:
        moment = datetime.fromisoformat(stamp).astimezone(UTC)
    except ValueError:
        return stamp
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{stamp.partition('.')[2][:9]}Z"
