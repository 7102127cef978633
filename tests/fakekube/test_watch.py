"""Lists and watches: resuming, selectors, bookmarks, 410, pages."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .conftest import Http, Kubectl
from .faults import ApiFault
from .server import FakeKube

MAPS = "/api/v1/namespaces/default/configmaps"
BARE = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


def put(http: Http, name: str, **labels: str) -> str:
    """Applies a ConfigMap; its revision."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
    }
    return str(http.apply(body).json()["metadata"]["resourceVersion"])


def watch(http: Http, path: str = MAPS, **params: str) -> list[dict[str, Any]]:
    """All events of a watch until its timeout (cluster seconds)."""
    return list(stream(http, path, **{"timeoutSeconds": "5", **params}))


def stream(http: Http, path: str = MAPS, **params: str) -> Iterator[dict[str, Any]]:
    params = {"watch": "1", **params}
    with requests.get(http.url + path, params=params, stream=True, timeout=30) as answer:
        assert answer.status_code == 200, answer.text
        for line in answer.iter_lines():
            yield json.loads(line)


def seen(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["type"], each["object"]["metadata"].get("name", "")) for each in events]


def test_a_list_says_where_to_watch_from(http: Http) -> None:
    put(http, "a")
    revision = http.get(MAPS)["metadata"]["resourceVersion"]
    put(http, "b")
    put(http, "a", x="1")
    http("DELETE", f"{MAPS}/b")
    assert seen(watch(http, resourceVersion=revision)) == [
        ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"),
    ]  # fmt: skip


def test_without_a_revision_all_comes_first(http: Http) -> None:
    put(http, "a")
    for more in ({}, {"resourceVersion": "0"}):
        assert ("ADDED", "a") in seen(watch(http, **more))


def test_a_streaming_list_marks_its_end(http: Http) -> None:
    revision = put(http, "a")
    events = watch(
        http, sendInitialEvents="true", resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true", labelSelector="!none",
    )  # fmt: skip
    mark = next(each for each in events if each["type"] == "BOOKMARK")
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(revision)
    refused = http("GET", MAPS, params={"watch": "1", "sendInitialEvents": "true"})
    assert refused.status_code == 422
    assert "requires setting resourceVersionMatch to NotOlderThan" in refused.json()["message"]


def test_who_leaves_the_selector_is_deleted_for_it(http: Http) -> None:
    start = put(http, "a", tier="web")
    put(http, "b", tier="db")
    put(http, "a", tier="db")
    put(http, "a", tier="web")
    events = watch(http, resourceVersion=start, labelSelector="tier=web")
    assert seen(events) == [("DELETED", "a"), ("ADDED", "a")]
    fields = watch(http, resourceVersion=start, fieldSelector="metadata.name=b")
    assert seen(fields) == [("ADDED", "b")]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier in (web,db)", ["a", "b"]),
        ("tier notin (web),tier", ["b"]),
        ("tier!=web,!hidden", ["b"]),
        ("tier", ["a", "b"]),
        ("tier==web", ["a"]),
    ],
)
def test_selectors(http: Http, selector: str, names: list[str]) -> None:
    put(http, "a", tier="web")
    put(http, "b", tier="db")
    put(http, "c", hidden="yes")
    found = http.get(
        MAPS, params={"labelSelector": selector, "fieldSelector": "metadata.name!=kube-root-ca.crt"}
    )
    assert [each["metadata"]["name"] for each in found["items"]] == names


def test_a_compacted_revision_is_an_error_event(kube: FakeKube, http: Http) -> None:
    old = put(http, "a")
    put(http, "b")
    kube.cluster.compact()
    (error,) = watch(http, resourceVersion=old)
    assert error["type"] == "ERROR"
    assert error["object"]["code"] == 410
    assert error["object"]["reason"] == "Expired"
    oldest = kube.cluster.store.compacted
    assert error["object"]["message"] == f"too old resource version: {old} ({oldest})"
    kube.cluster.faults.gone_as_status = True
    answer = http("GET", MAPS, params={"watch": "1", "resourceVersion": old})
    assert answer.status_code == 410


def test_revisions_of_the_future_and_of_no_kind(http: Http) -> None:
    assert watch(http, resourceVersion="99999999", timeoutSeconds="3") == []
    answer = http("GET", MAPS, params={"resourceVersion": "99999999"})
    assert answer.status_code == 504
    assert answer.json()["message"].startswith("Too large resource version")
    assert http("GET", MAPS, params={"watch": "1", "resourceVersion": "abc"}).status_code == 500


def test_bookmarks_come_each_minute_and_before_the_end() -> None:
    with FakeKube(speed=100) as kube:
        http = Http(kube.url)
        params = {"resourceVersion": put(http, "a"), "allowWatchBookmarks": "true"}
        threading.Timer(0.2, put, (http, "b")).start()
        events = watch(http, **params, timeoutSeconds="70")
        params["resourceVersion"] = events[-1]["object"]["metadata"]["resourceVersion"]
        quiet = watch(http, **params, timeoutSeconds="70")
    assert [each["type"] for each in events] == ["ADDED", "BOOKMARK", "BOOKMARK"]
    assert events[1]["object"]["kind"] == "ConfigMap"
    assert quiet == []


def test_pages(kube: FakeKube, http: Http) -> None:
    for name in "abcde":
        put(http, name)
    first = http.get(MAPS, params={"limit": "2"})
    assert [each["metadata"]["name"] for each in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 4  # with the root certificate
    token = first["metadata"]["continue"]
    second = http.get(MAPS, params={"limit": "2", "continue": token})
    assert [each["metadata"]["name"] for each in second["items"]] == ["c", "d"]
    assert http("GET", MAPS, params={"continue": "nonsense"}).status_code == 400
    put(http, "f")
    kube.cluster.compact()
    assert http("GET", MAPS, params={"limit": "2", "continue": token}).status_code == 410


def test_bare_metadata_hides_secrets(http: Http) -> None:
    path = "/api/v1/namespaces/default/secrets"
    empty = http.get(path, headers={"Accept": BARE})
    assert empty["items"] is None
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "MQ=="}}
    http("POST", path, body)
    (item,) = http.get(path, headers={"Accept": BARE})["items"]
    assert set(item) == {"metadata"}


def test_a_watch_that_is_cut_can_be_resumed(kube: FakeKube, http: Http) -> None:
    revision = put(http, "a")
    events = stream(http, resourceVersion=revision)
    put(http, "b")
    last = next(events)["object"]["metadata"]["resourceVersion"]
    kube.cut()
    with pytest.raises(requests.exceptions.RequestException):
        next(events)
    put(http, "c")
    assert seen(watch(http, resourceVersion=last)) == [("ADDED", "c")]


def test_a_watch_is_cut_after_so_many_events(kube: FakeKube, http: Http) -> None:
    kube.cluster.faults.api.append(ApiFault(verb="watch", cut_after=2))
    revision = put(http, "a")
    events = stream(http, resourceVersion=revision)
    put(http, "b")
    put(http, "c")
    assert [next(events)["type"], next(events)["type"]] == ["ADDED", "ADDED"]
    with pytest.raises(requests.exceptions.RequestException):
        next(events)


def test_kubectl_watches(kube: FakeKube, http: Http, kubectl: Kubectl) -> None:
    put(http, "a", tier="web")
    argv = [*kubectl.argv, "get", "cm", "-l", "tier=web", "--watch", "--no-headers"]
    argv += ["-o", "custom-columns=N:.metadata.name,T:.metadata.labels.tier"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split() == ["a", "web"]
        put(http, "b", tier="web")
        assert watching.stdout.readline().split() == ["b", "web"]
        http("DELETE", f"{MAPS}/b")
        assert watching.stdout.readline().split() == ["b", "web"]
        watching.terminate()


def test_kubectl_is_told_410_in_words(kube: FakeKube, http: Http, kubectl: Kubectl) -> None:
    old = put(http, "a")
    put(http, "b")
    kube.cluster.compact()
    path = f"{MAPS}?watch=1&resourceVersion={old}&timeoutSeconds=2"
    shown = kubectl("get", "--raw", path)
    assert "too old resource version" in shown
    kube.cluster.faults.api.append(ApiFault(verb="list", status=410, message="gone", times=1))
    assert "gone" in kubectl("get", "cm", fails=True)
