"""The gate: what is refused, with which words, and that the old release goes on."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import replace
from typing import Any

import pytest

from paas.runtimes.base import AppSpec, Check, LimitExceeded, NotHealthy, Size
from paas.runtimes.local import LocalRuntime, ports, sockets
from tests.runtimes import sample
from tests.runtimes.conformance import finish, up
from tests.runtimes.world import World, eventually

PY = sample.PYTHON


def refused(runtime: LocalRuntime, app: AppSpec, command: str, **more: Any) -> NotHealthy:
    """Why a new release with this web command is refused, while the old one goes on."""
    finish(runtime.apply(app, 1))
    before = up(runtime, app.app_id)
    broken = replace(app, processes=(sample.web(command, **more),), release=2)
    with pytest.raises(NotHealthy) as failure:
        finish(runtime.apply(broken, 2))
    assert up(runtime, app.app_id) == before
    eventually(lambda: not runtime.tend())
    return failure.value


def test_exits_at_once_and_shows_its_output(runtime: LocalRuntime, app: AppSpec) -> None:
    failure = refused(runtime, app, "echo first; echo KeyError: X >&2; exit 3")
    assert failure.reason == "exited with status 3"
    assert failure.output == ("first", "KeyError: X")


def test_output_of_earlier_instances_is_not_shown(runtime: LocalRuntime, app: AppSpec) -> None:
    refused(runtime, app, "echo old; exit 3")
    broken = replace(app, processes=(sample.web("echo new; exit 4"),), release=3)
    with pytest.raises(NotHealthy) as failure:
        finish(runtime.apply(broken, 3))
    assert failure.value.output == ("new",)


def test_command_not_found(runtime: LocalRuntime, app: AppSpec) -> None:
    failure = refused(runtime, app, "gunicorn-missing app:app")
    assert failure.reason == "exited with status 127"
    assert "not found" in failure.hint


def test_forks_into_the_background(runtime: LocalRuntime, app: AppSpec) -> None:
    failure = refused(runtime, app, f"{PY} server.py &")
    assert "ended by itself" in failure.reason
    assert "foreground" in failure.hint


def test_killed_by_a_signal(runtime: LocalRuntime, app: AppSpec) -> None:
    assert "SIGKILL" in refused(runtime, app, "kill -9 $$").reason


def test_never_binds(world: World, app: AppSpec) -> None:
    failure = refused(world.runtime(boot_timeout=1), app, "exec sleep 1000")
    assert "did not accept connections on $PORT" in failure.reason
    assert "within 1 seconds" in failure.reason


def test_binds_another_port(world: World, app: AppSpec) -> None:
    code = "import socket,time; s=socket.socket(); s.bind(('',0)); s.listen(); time.sleep(1000)"
    failure = refused(world.runtime(boot_timeout=1), app, f'exec {PY} -c "{code}"')
    assert "listens on port" in failure.reason
    assert "not on $PORT" in failure.reason
    assert "environment variable PORT" in failure.hint


def test_binds_an_address_out_of_reach(world: World, app: AppSpec) -> None:
    code = (
        "import os,socket,time; s=socket.socket(); "
        "s.bind(('127.0.0.2',int(os.environ['PORT']))); s.listen(); time.sleep(1000)"
    )
    failure = refused(world.runtime(boot_timeout=1), app, f'exec {PY} -c "{code}"')
    assert failure.reason.startswith("listens on 127.0.0.2")


def test_dies_after_an_early_bind(runtime: LocalRuntime, app: AppSpec) -> None:
    """As gunicorn does with an app that cannot be imported."""
    code = (
        "import os,socket,sys,time; s=socket.socket(); "
        "s.bind(('',int(os.environ['PORT']))); s.listen(); time.sleep(1); sys.exit(3)"
    )
    assert refused(runtime, app, f'exec {PY} -c "{code}"').reason == "exited with status 3"


def test_a_server_that_speaks_no_http_is_accepted(runtime: LocalRuntime, app: AppSpec) -> None:
    code = (
        "import os,socket; s=socket.socket(); "
        "s.bind(('',int(os.environ['PORT']))); s.listen()\nwhile 1: s.accept()[0].close()"
    )
    spec = replace(app, processes=(sample.web(f'exec {PY} -c "{code}"'),))
    assert finish(runtime.apply(spec, 1))


def test_eats_memory(runtime: LocalRuntime, app: AppSpec) -> None:
    code = "x = []\nwhile 1: x.append(bytearray(10**6))"
    failure = refused(runtime, app, f'exec {PY} -c "{code}"', size=Size("tiny", memory_mb=64))
    assert "64 MB of memory" in failure.reason


def test_a_worker_that_exits(runtime: LocalRuntime, app: AppSpec) -> None:
    spec = replace(app, processes=(sample.web(), sample.worker("exit 5")))
    with pytest.raises(NotHealthy) as failure:
        finish(runtime.apply(spec, 1))
    assert str(failure.value) == "worker.1 exited with status 5"


def test_a_port_that_somebody_else_took(
    world: World, app: AppSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first port is taken between the reservation and the bind; another one is tried."""
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        taken = other.getsockname()[1]
        given = iter([taken])
        reserve = ports.Ports.reserve
        monkeypatch.setattr(
            ports.Ports, "reserve", lambda self, name: next(given, 0) or reserve(self, name)
        )
        finish(world.runtime().apply(app, 1))
    assert world.get(app.hosts[0]) == (200, "one web.1")
    assert world.get(app.hosts[0], "/env/PORT")[1] != str(taken)


class TestChecks:
    def test_path_with_the_real_host(self, world: World, app: AppSpec) -> None:
        check = Check(path="/headers", content=f"Host: {app.hosts[0]}:{world.instance.port}")
        spec = replace(app, processes=(sample.web(checks=(check,)),))
        finish(world.runtime().apply(spec, 1))

    def test_content_is_missing(self, runtime: LocalRuntime, app: AppSpec) -> None:
        check = Check(path="/", content="nowhere", attempts=2, wait=0.1)
        command = f"exec {PY} server.py"
        failure = refused(runtime, app, command, checks=(check,))
        assert "does not contain 'nowhere'" in failure.reason

    def test_command(self, runtime: LocalRuntime, app: AppSpec) -> None:
        check = Check(command=("sh", "-c", "echo no $PORT; exit 4"), attempts=1)
        failure = refused(runtime, app, f"exec {PY} server.py", checks=(check,))
        assert re.search(r"status 4 \(no \d{5}\)", failure.reason)

    def test_uptime(self, runtime: LocalRuntime, app: AppSpec) -> None:
        check = Check(uptime=30.0)
        failure = refused(runtime, app, f"{PY} server.py & sleep 1; exit 6", checks=(check,))
        assert failure.reason == "exited with status 6"

    def test_other_types_do_not_hold_a_deploy(self, runtime: LocalRuntime, app: AppSpec) -> None:
        check = Check(type="liveness", path="/", content="nowhere", attempts=1)
        finish(runtime.apply(replace(app, processes=(sample.web(checks=(check,)),)), 1))


def test_more_web_processes_than_slots(runtime: LocalRuntime, app: AppSpec) -> None:
    spec = replace(app, processes=(sample.web(quantity=13),))
    with pytest.raises(LimitExceeded, match="web=13"):
        finish(runtime.apply(spec, 1))
    assert runtime.max_quantity("web") == 12


def test_reads_the_kernels_tables() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        mine = sockets.listeners([os.getpid()])
        assert any(found.port == port and found.address == "127.0.0.1" for found in mine)
        assert sockets.in_use(port)
        assert not sockets.is_free(port)
        assert not sockets.established([port])
        with socket.create_connection(("127.0.0.1", port)):
            assert sockets.established([port])
