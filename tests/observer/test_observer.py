"""The observer as a process: files in, merged file and stream out, killed and started again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from apps.logs import platform, store
from apps.logs.tail import stream_of
from paas.instance import Instance
from paas.observer.publish import STREAM_LINES

from .scene import Scene
from .servers import RedisServer, wait_until


@pytest.fixture
def scene(instance: Instance, redis_server: RedisServer) -> Iterator[Scene]:
    scene = Scene(instance, redis_server.url)
    yield scene
    scene.kill()


def texts(folder: Path, process: str = "web.1") -> list[str]:
    return [line.text for line in store.tail(folder, 1500, store.Filter("app", process))]


def last_number(folder: Path) -> int:
    return int(next(reversed(texts(folder)), "line -1").split()[-1])


def has_read(folder: Path, number: int) -> bool:
    return last_number(folder) == number


def streamed(server: RedisServer, app_id: str) -> list[tuple[str, str]]:
    return [(key, fields["line"]) for key, fields in server.client().xrange(stream_of(app_id))]


def filed(folder: Path) -> list[tuple[str, str]]:
    return [(str(line.id), str(line)) for line in store.tail(folder, 1500)]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_printed_line_reaches_file_and_stream(scene: Scene, redis_server: RedisServer) -> None:
    folder = scene.add_app("a1", "web.1")
    scene.start()
    append(folder / "web.1.raw", b"hello\n\x1b[31mred\x1b[0m\n")
    wait_until(lambda: len(streamed(redis_server, "a1")) == 2)
    assert texts(folder) == ["hello", "red"]
    assert streamed(redis_server, "a1") == filed(folder)


def test_the_panel_s_own_lines_are_merged(scene: Scene, instance: Instance) -> None:
    folder = scene.add_app("a1")
    scene.start()
    platform.emit(instance, "a1", "paas", "api", "Release v7 created by x@y")
    wait_until(lambda: store.tail(folder, 1))
    assert str(store.tail(folder, 1)[0]).endswith("+00:00 paas[api]: Release v7 created by x@y")


def test_killed_at_random_it_loses_and_repeats_nothing(
    scene: Scene, redis_server: RedisServer
) -> None:
    folder = scene.add_app("a1", "web.1")
    raw = folder / "web.1.raw"
    chance = random.Random(7)
    written = rotated_at = 0
    for _ in range(6):
        scene.start()
        until = time.monotonic() + 0.4 + chance.random()
        while time.monotonic() < until:
            append(raw, b"".join(b"line %d\n" % (written + i) for i in range(7)))
            written += 7
            time.sleep(0.02)
        if last_number(folder) >= rotated_at:
            raw.replace(folder / "web.1.raw.1")  # only once the one before has been read
            rotated_at = written
        scene.kill()
    scene.start()
    expected = [f"line {i}" for i in range(written)]
    wait_until(lambda: texts(folder)[-1:] == expected[-1:])
    assert texts(folder) == expected[-1500:]
    wait_until(lambda: streamed(redis_server, "a1")[-1:] == filed(folder)[-1:])
    ids = [line_id for line_id, _ in streamed(redis_server, "a1")]
    assert len(ids) == len(set(ids))
    assert streamed(redis_server, "a1")[-1000:] == filed(folder)[-1000:]


def test_a_rotation_while_it_reads_loses_nothing(scene: Scene) -> None:
    folder = scene.add_app("a1", "web.1")
    raw = folder / "web.1.raw"
    scene.start()
    for i in range(300):
        append(raw, b"half of " if i % 3 else b"")
        if i % 25 == 24:
            wait_until(partial(has_read, folder, i - 1))
            raw.replace(folder / "web.1.raw.1")
        append(raw, b"line %d\n" % i)
    expected = [("half of " if i % 3 else "") + f"line {i}" for i in range(300)]
    wait_until(lambda: texts(folder)[-1:] == expected[-1:])
    assert texts(folder) == expected


def test_files_go_on_without_redis_and_the_stream_is_caught_up(
    scene: Scene, redis_server: RedisServer
) -> None:
    folder = scene.add_app("a1", "web.1")
    scene.start()
    append(folder / "web.1.raw", b"before\n")
    wait_until(lambda: streamed(redis_server, "a1"))
    redis_server.kill()
    append(folder / "web.1.raw", b"meanwhile\n")
    wait_until(lambda: texts(folder) == ["before", "meanwhile"])
    redis_server.start()
    wait_until(lambda: len(streamed(redis_server, "a1")) == 2)
    assert streamed(redis_server, "a1") == filed(folder)


def test_a_stream_that_was_lost_is_filled_again(scene: Scene, redis_server: RedisServer) -> None:
    folder = scene.add_app("a1", "web.1")
    scene.start()
    append(folder / "web.1.raw", b"one\n")
    wait_until(lambda: streamed(redis_server, "a1"))
    redis_server.kill()
    for path in redis_server.socket.parent.glob("*aof"):
        path.unlink()
    redis_server.start()
    append(folder / "web.1.raw", b"two\n")
    wait_until(lambda: len(streamed(redis_server, "a1")) == 2)
    assert streamed(redis_server, "a1") == filed(folder)


def test_a_flood_is_capped_and_told_and_harms_no_neighbour(
    scene: Scene, redis_server: RedisServer
) -> None:
    loud, quiet = scene.add_app("loud", "web.1"), scene.add_app("quiet", "web.1")
    scene.start()
    wait_until(lambda: (loud / store.LOG_NAME).exists())
    flood = b"".join(b"flood %d\n" % i for i in range(100_000))
    for _ in range(20):
        append(loud / "web.1.raw", flood)
    append(quiet / "web.1.raw", b"calm\n")
    wait_until(lambda: texts(quiet) == ["calm"])
    wait_until(lambda: texts(loud)[-1:] == ["flood 99999"] or notes(loud), 60)
    assert all(note.endswith("lines dropped") for note in notes(loud))
    assert redis_server.client().xlen(stream_of("loud")) <= STREAM_LINES + 200


def notes(folder: Path) -> list[str]:
    lines = store.tail(folder, 1500, store.Filter("paas", "web.1"))
    return [line.text for line in lines if "L10" in line.text]


def test_a_removed_app_leaves_no_stream_and_no_folder(
    scene: Scene, redis_server: RedisServer
) -> None:
    folder = scene.add_app("a1", "web.1")
    scene.start()
    append(folder / "web.1.raw", b"hello\n")
    wait_until(lambda: streamed(redis_server, "a1"))
    store.remove(folder)
    wait_until(lambda: not redis_server.client().exists(stream_of("a1")))
    assert not folder.exists()


def test_states_are_told_once_also_over_a_restart(scene: Scene) -> None:
    folder = scene.add_app("a1", "web.1")
    scene.tell(processes=[{"app_id": "a1", "name": "web.1", "state": "up"}])
    scene.start()
    wait_until(lambda: len(said_of(folder)) == 2)
    scene.kill()
    scene.start()
    append(folder / "web.1.raw", b"last words\n")
    wait_until(lambda: texts(folder))
    gone_wrong = {"state": "crashed", "reason": "Process exited with status 1"}
    scene.tell(processes=[{"app_id": "a1", "name": "web.1"} | gone_wrong])
    wait_until(lambda: len(said_of(folder)) == 4)
    assert said_of(folder)[1:] == [
        "State changed from starting to up",
        "Process exited with status 1",
        "State changed from up to crashed",
    ]


def said_of(folder: Path) -> list[str]:
    return [line.text for line in store.tail(folder, 100, store.Filter("paas", "web.1"))]


def test_it_beats(scene: Scene, instance: Instance) -> None:
    scene.start()
    wait_until((instance.run / "observer.alive").exists)
    assert (instance.run / "observer.alive").stat().st_size == 0
