"""Maintenance: our page with 503 from the app's own image, and the processes go on."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from paas.runtimes.kubernetes import KubernetesRuntime, closed, kinds
from tests.fakekube.server import FakeKube
from tests.kubernetes.conftest import IMAGE, make_spec, web
from tests.kubernetes.driving import deploy, objects
from tests.runtimes.world import free_port

Within = Callable[..., None]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The pod's own command, with the busybox that builds bring along; its port."""
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    tools = tmp_path_factory.mktemp("tools")
    (tools / "nc").symlink_to(busybox)
    port = free_port()
    env = {**closed.environment(port), "PATH": f"{tools}:{os.environ['PATH']}"}
    server = subprocess.Popen(closed.COMMAND, env=env, start_new_session=True)
    yield port
    os.killpg(server.pid, 15)
    server.wait()


def ask(port: int, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, "/any/path?x", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read().decode()


def test_the_page_speaks_html_and_plain_text(page: int, within: Within) -> None:
    def answers() -> bool:
        try:
            return ask(page)[0] == 503
        except OSError:
            return False

    within(answers, 10)
    status, kind, text = ask(page, Accept="text/html,*/*;q=0.8")
    assert (status, kind) == (503, "text/html; charset=utf-8")
    assert "Offline for maintenance" in text and text.rstrip().endswith("</html>")
    status, kind, text = ask(page, Accept="application/json")
    assert (status, kind) == (503, "text/plain; charset=utf-8")
    assert text.startswith("Offline for maintenance: ")


def test_a_large_body_does_not_cost_the_answer(page: int) -> None:
    assert ask(page, "POST", b"x" * 3_000_000)[0] == 503


def test_many_are_answered_at_once(page: int) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: ask(page)[0], range(40)))
    assert answers == [503] * 40


def test_routes_lead_to_the_page_and_back(kube: FakeKube, runtime: KubernetesRuntime) -> None:
    spec = make_spec(web(), routing=1)
    deploy(runtime, spec, 1)
    before = [(one.name, one.since) for one in runtime.observe(spec.app_id)]
    runtime.route(spec.app_id, spec.hosts, maintenance=True, routing=2)
    found = objects(kube, spec)
    (rule,) = found["Ingress", "web"]["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == "closed"
    pod = found["Deployment", "closed"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["image"] == IMAGE
    assert "envFrom" not in container, "the page knows nothing of the app"
    selector = found["Service", "closed"]["spec"]["selector"]
    assert selector.items() <= pod["metadata"]["labels"].items()
    assert [(one.name, one.since) for one in runtime.observe(spec.app_id)] == before
    closed_spec = replace(spec, maintenance=True, routing=2)
    assert runtime.drift([closed_spec]) == {}
    deploy(runtime, closed_spec, 2)
    assert runtime.drift([closed_spec]) == {}
    opened = replace(spec, routing=3)
    runtime.route(spec.app_id, spec.hosts, maintenance=False, routing=3)
    deploy(runtime, opened, 3)
    assert {name for kind, name in objects(kube, spec) if name == "closed"} == set()
    assert runtime.drift([opened]) == {}


def test_a_process_type_called_closed_is_another_thing(
    kube: FakeKube, runtime: KubernetesRuntime
) -> None:
    mine = replace(web(), type="closed")
    spec = make_spec(web(), mine, maintenance=True)
    deploy(runtime, spec)
    names = {name for _, name in objects(kube, spec, kinds.DEPLOYMENT)}
    assert "closed" in names and len(names) == 3
    assert sorted(one.name for one in runtime.observe(spec.app_id)) == ["closed.1", "web.1"]
