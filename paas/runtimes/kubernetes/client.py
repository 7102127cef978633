"""One thin client: dicts in, dicts out, and errors that say what to do.

Configuration, authentication and transport are the official client's; it is
imported at the first call.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlencode

from paas.runtimes.base import RuntimeFailure
from paas.runtimes.kubernetes.errors import (
    ApiError,
    Conflict,
    Contested,
    Exists,
    Expired,
    Forbidden,
    Gone,
    Insecure,
    Moved,
    Terminating,
    Unreachable,
)
from paas.runtimes.kubernetes.kinds import DEPLOYMENT, Kind, kind_of
from paas.runtimes.kubernetes.names import MANAGER, SCALE_MANAGER, Object

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
"""Without a byte of an answer: a connection may be dead without anybody having said so."""
WATCH_READ_SECONDS = 90.0
"""Bookmarks come each minute: so long without a byte is a dead connection."""
_CONNECTIONS = 64
_PAGE = 250
"""Objects of one answer: 5,000 pods at once would be 70 MB of text, and five times that parsed."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_BUSY = frozenset({429, 500, 502, 503, 504})
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_OURS_ALONE = (
    ".metadata.labels.paas.dev/",
    ".metadata.labels.app.kubernetes.io/",
    ".metadata.labels.pod-security.kubernetes.io/",
    ".metadata.annotations.paas.dev/",
    ".data",
)
"""Fields that mean nothing to anybody else: these are taken back."""


class Client:
    """Speaks to one cluster; threads may share it.

    Args:
        patience: seconds that a server which does not answer, or is busy, is tried again.
    """

    def __init__(self, patience: float = 45.0) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._made: tuple[Any, Any] | None = None

    # --- objects ---------------------------------------------------------------
    def apply(self, body: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply; what comes back is the object as it is now.

        Raises:
            Conflict: others hold a field of it.
            Insecure: its pods would violate the namespace's PodSecurity level.
            Terminating: it is being deleted, so what was written is lost.
        """
        kind, meta = kind_of(body), body["metadata"]
        path = kind.path(meta.get("namespace", ""), meta["name"])
        query = {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
        subject = f"{kind.name} {meta['name']}"
        try:
            made = self._apply(path, query, body, subject)
        except Conflict as error:
            if not all(one.field.startswith(_OURS_ALONE) for one in error.contested):
                raise
            made = self._apply(path, query | {"force": "true"}, body, subject)
        if made["metadata"].get("deletionTimestamp") and kind.namespaced:
            raise Terminating(409, "Deleted", f"{subject} is being deleted. Try again in a moment.")
        return made

    def create(self, body: Object) -> Object:
        """
        Raises:
            Exists: there is one.
        """
        path = kind_of(body).path(body["metadata"].get("namespace", ""))
        return self._call("POST", path, {"fieldManager": MANAGER}, body)

    def merge(self, kind: Kind, namespace: str, name: str, change: Object) -> Object:
        """A merge patch. With `metadata.resourceVersion` in it: only if it is still that one.

        Raises:
            Moved: it is not.
            Gone: there is none.
        """
        path = kind.path(namespace, name)
        return self._call("PATCH", path, {"fieldManager": MANAGER}, change, content=_MERGE)

    def scale(self, namespace: str, name: str, replicas: int, *, force: bool = False) -> None:
        """Set how many pods a Deployment that exists has, under a field manager of its own.

        Not by its `scale`: that part of it knows no managers of the rest, so that a number
        nobody has set yet is `before-first-apply`'s, and another one is a conflict with it.

        Raises:
            Conflict: somebody else decides about it.
        """
        body = {
            "apiVersion": "apps/v1",
            "kind": DEPLOYMENT.name,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": replicas},
        }
        query = {"fieldManager": SCALE_MANAGER} | ({"force": "true"} if force else {})
        path = DEPLOYMENT.path(namespace, name)
        self._apply(path, query, body, f"The number of {name} processes")

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """
        Raises:
            Gone: there is none.
        """
        return self._call("GET", kind.path(namespace, name))

    def items(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """All objects of a kind, of one namespace or of all; none where the kind is unknown."""
        try:
            answer = self._call("GET", kind.path(namespace), _selected(labels, fields))
        except Gone:
            return []
        found: list[Object] = answer.get("items") or []
        return found

    def pages(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Iterator[tuple[list[Object], str]]:
        """As `items`, some hundred at a time, each time with the version from which to watch."""
        query = _selected(labels, fields) | {"limit": str(_PAGE)}
        rest = "first"
        while rest:
            answer = self._call("GET", kind.path(namespace), query)
            meta = answer["metadata"]
            yield answer.get("items") or [], str(meta.get("resourceVersion", ""))
            rest = meta.get("continue") or ""
            query["continue"] = rest

    def version_of(self, kind: Kind, namespace: str = "") -> str:
        """The version from which to watch a kind now."""
        answer = self._call("GET", kind.path(namespace), {"limit": "1"})
        return str(answer["metadata"].get("resourceVersion", ""))

    def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str = "", grace: int | None = None
    ) -> bool:
        """Delete one object and what it has made; False if it is gone already.

        Args:
            uid: delete only this very one.
            grace: seconds instead of the pod's own.

        Raises:
            Moved: it is another one.
        """
        options: Object = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self._call("DELETE", kind.path(namespace, name), {}, options)
        except Gone:
            return False
        return True

    # --- the cluster -----------------------------------------------------------
    def version(self) -> str:
        """The server's, as "v1.36.2"."""
        return str(self._call("GET", "/version").get("gitVersion", "unknown"))

    def serves(self, kind: Kind) -> bool:
        """Whether the server knows a kind that not every cluster has."""
        try:
            found = self._call("GET", kind.root).get("resources") or []
        except Gone:
            return False
        return any(one.get("name") == kind.plural for one in found)

    def may(self, attributes: Mapping[str, str]) -> bool:
        """Whether our account may do it in every namespace."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": dict(attributes)},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool((self._call("POST", path, {}, review).get("status") or {}).get("allowed"))

    # --- streams ---------------------------------------------------------------
    def watch(
        self, kind: Kind, namespace: str, version: str, *, labels: str = "", fields: str = ""
    ) -> Stream:
        """Changes since `version`, as lines of JSON, bookmarks among them.

        Raises:
            Expired: too long ago.
        """
        query = _selected(labels, fields) | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(random.randint(240, 300)),  # noqa: S311 - not all at once
        }
        return self.stream(kind.path(namespace), query)

    def stream(self, path: str, query: Mapping[str, str] | None = None) -> Stream:
        """A long answer, read as it comes. It is not tried again here.

        Raises:
            Unreachable: nobody answers.
        """
        from urllib3.exceptions import HTTPError

        timeout = (CONNECT_SECONDS, WATCH_READ_SECONDS)
        try:
            response = self._request("GET", path, query, None, "", timeout)
        except HTTPError as error:
            raise Unreachable(f"Kubernetes does not answer: {_short(error)}") from error
        if response.status >= 400:
            with closing(response):
                raise _error(response.status, response.data, path)
        return Stream(response)

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """A short answer that is no JSON: a log's end."""
        with closing(self.stream(path, query)) as stream:
            return stream.rest().decode(errors="replace")

    def websocket(self, path: str, query: list[tuple[str, str]]) -> Any:
        """An open websocket of the `v5.channel.k8s.io` protocol.

        Raises:
            ApiError, Unreachable: it could not be opened.
        """
        from kubernetes.stream.ws_client import create_websocket, get_websocket_url
        from websocket import WebSocketBadStatusException, WebSocketException

        configuration, _ = self._connection()
        url = get_websocket_url(configuration.host + path, query)  # type: ignore[no-untyped-call]
        try:
            return create_websocket(configuration, url, self._headers())  # type: ignore[no-untyped-call]
        except WebSocketBadStatusException as error:
            raise _error(error.status_code, error.resp_body or b"", path) from None
        except (OSError, WebSocketException) as error:
            raise Unreachable(f"Kubernetes cannot be reached: {error}") from error

    # --- one call ----------------------------------------------------------------
    def _apply(self, path: str, query: Mapping[str, str], body: Object, subject: str) -> Object:
        return self._call("PATCH", path, query, body, content=_APPLY, subject=subject)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        *,
        content: str = "application/json",
        subject: str = "",
    ) -> Object:
        """Send until there is an answer that another try would not change."""
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._once(method, path, query, body, content, subject or path)
            except _Again as again:
                wait = again.after or random.uniform(pause / 2, pause)  # noqa: S311
                if time.monotonic() + wait > deadline:
                    raise again.error from None
                time.sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        content: str,
        subject: str,
    ) -> Object:
        from urllib3.exceptions import HTTPError

        try:
            response = self._request(
                method, path, query, body, content, (CONNECT_SECONDS, READ_SECONDS)
            )
            with closing(response):
                data = response.data
        except HTTPError as error:
            raise _Again(Unreachable(f"Kubernetes does not answer: {_short(error)}")) from error
        if response.status < 400:
            _refuse_insecure(response.headers, subject)
            answer: Object = json.loads(data)
            return answer
        refusal = _error(response.status, data, subject)
        if _is_worth_another_try(refusal) or (content == _APPLY and isinstance(refusal, Moved)):
            after = response.headers.get("Retry-After", "")
            raise _Again(refusal, float(after) if after.isdecimal() else 0.0)
        raise refusal

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        content: str,
        timeout: tuple[float, float],
    ) -> Any:
        import urllib3

        configuration, pool = self._connection()
        url = configuration.host + path + (f"?{urlencode(query)}" if query else "")
        headers = self._headers() | {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content
        return pool.request(
            method,
            url,
            body=None if body is None else json.dumps(body, sort_keys=True),
            headers=headers,
            preload_content=False,
            retries=False,
            timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
        )

    def _headers(self) -> dict[str, str]:
        """The token is asked for each time: inside a cluster it is renewed in its file."""
        configuration, _ = self._connection()
        token = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"authorization": token} if token else {}

    def _connection(self) -> tuple[Any, Any]:
        """Configuration and connection pool: of `KUBECONFIG`, or of the pod we run in."""
        with self._lock:
            if self._made is None:
                self._made = _connect()
            return self._made


class Stream:
    """An answer that is read as it comes; close it to hang up, from another thread too."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._closed = False

    def lines(self) -> Iterator[bytes]:
        """Whole lines without their ends, and what is left at the end.

        Raises:
            Unreachable: the connection broke.
        """
        from urllib3.exceptions import HTTPError

        rest = b""
        try:
            for chunk in self._response.stream(None, decode_content=True):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            if not self._closed:
                raise Unreachable(f"Kubernetes' connection broke: {_short(error)}") from error
            return
        if rest:
            yield rest

    def events(self) -> Iterator[tuple[str, Object]]:
        """A watch's events: their type, and the object.

        Raises:
            Expired: the server has forgotten what we ask for.
        """
        for line in self.lines():
            try:
                event = json.loads(line)
            except ValueError:  # cut in the middle of a line
                raise Unreachable("Kubernetes' watch was cut.") from None
            if event["type"] == "ERROR":
                raise _status_error(event["object"], "watch")
            yield event["type"], event["object"]

    def rest(self) -> bytes:
        return b"\n".join(self.lines())

    def close(self) -> None:
        """Shut the connection: a thread that reads from it is woken."""
        self._closed = True
        with suppress(OSError, AttributeError):
            self._response._connection.sock.shutdown(socket.SHUT_RDWR)
        self._response.close()


class _Again(Exception):
    """Try once more, after so many seconds if the server said so; or else this is the error."""

    def __init__(self, error: RuntimeFailure, after: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.after = error, after


def _connect() -> tuple[Any, Any]:
    from kubernetes import client, config
    from kubernetes.client.rest import RESTClientObject

    configuration = client.Configuration()
    try:
        if named := os.environ.get("KUBECONFIG"):
            config.load_kube_config(named, client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, ValueError) as error:
        raise RuntimeFailure(
            f"No cluster is known: {str(error).rstrip('.')}. Set KUBECONFIG to a file that names "
            "one, or run the panel inside the cluster."
        ) from error
    configuration.connection_pool_maxsize = _CONNECTIONS
    return configuration, RESTClientObject(configuration).pool_manager


def _selected(labels: str, fields: str) -> dict[str, str]:
    chosen = {"labelSelector": labels, "fieldSelector": fields}
    return {name: text for name, text in chosen.items() if text}


# --- what an answer means -----------------------------------------------------------
def _error(status: int, data: bytes, subject: str) -> ApiError:
    try:
        body = json.loads(data)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    text = data[:300].decode(errors="replace").strip()
    return _status_error({"code": status, "message": text, **body}, subject)


def _status_error(body: Object, subject: str) -> ApiError:
    """A `Status` as the exception that says what can be done."""
    status, reason = int(body.get("code") or 0), str(body.get("reason") or "")
    message = str(body.get("message") or "it did not say why")
    causes = (body.get("details") or {}).get("causes") or []
    kinds = {str(cause.get("reason", "")) for cause in causes}
    if status == 409 and "FieldManagerConflict" in kinds:
        return Conflict(message, tuple(_contested(c) for c in causes), subject)
    if "NamespaceTerminating" in kinds:
        return Terminating(status, reason, message)
    found = {403: Forbidden, 404: Gone, 410: Expired}.get(status)
    if status == 409:
        found = Exists if reason == "AlreadyExists" else Moved
    return (found or ApiError)(status, reason, message)


def _contested(cause: Object) -> Contested:
    """`conflict with "kubectl-scale" with subresource "scale" using apps/v1`."""
    text = str(cause.get("message", ""))
    manager = text.split('"')[1] if text.count('"') >= 2 else text
    return Contested(manager, str(cause.get("field", "")))


def _is_worth_another_try(error: ApiError) -> bool:
    """Not what the schema refuses (a 500 it is), nor a budget's 429."""
    if error.message.startswith("failed to create typed patch object"):
        return False
    return error.status in _BUSY


def _refuse_insecure(headers: Mapping[str, str], subject: str) -> None:
    """A workload whose pods will be refused is accepted, with a warning."""
    for warning in _all(headers, "Warning"):
        if "would violate PodSecurity" in warning:
            raise Insecure(200, "PodSecurity", f"{subject}: {warning}")


def _all(headers: Any, name: str) -> list[str]:
    found: list[str] = headers.getlist(name)
    return found


def _short(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text[:200]
