"""The API server: paths to verbs, over HTTP and HTTPS on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import yaml
from aiohttp import web

from . import discovery, manifests, protobuf, streams
from .certificates import authority
from .clock import stamp
from .cluster import Cluster, Recorded
from .controllers.base import POD
from .controllers.budgets import Budgets, evict
from .errors import ApiError, Json, bad_request, stale
from .kinds import BY_PATH, Kind
from .rbac import ADMIN, ADMIN_TOKEN, ANONYMOUS, Attributes, User
from .reading import Query, check_watch, listing, one, shaped, wanted_form, watch
from .schema import ANY
from .verbs import APPLY, Call, Deletion, patched

MAX_BODY = 64 * 1024 * 1024
_READS = {"GET": ("get", "list"), "POST": ("create", "create"), "PUT": ("update", "update"),
          "PATCH": ("patch", "patch"), "DELETE": ("delete", "deletecollection")}  # fmt: skip
_NOT_ALLOWED = "the server does not allow this method on the requested resource"


@dataclass
class Asked:
    """A request for a resource, understood."""

    request: web.Request
    kind: Kind
    namespace: str
    name: str
    subresource: str
    user: User
    params: Mapping[str, str]
    body: Any = None
    cut_after: int | None = None
    call: Call = field(default_factory=Call)

    @property
    def resource(self) -> str:
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural

    @property
    def verb(self) -> str:
        if self.request.method == "GET" and self.params.get("watch") in ("1", "true"):
            return "watch"
        return _READS[self.request.method][0 if self.name else 1]

    def query(self) -> Query:
        form = wanted_form(self.request.headers.get("Accept", ""))
        return Query(self.kind, self.namespace, self.params, form, self.name)


class Server:
    """Serves one cluster."""

    def __init__(self, cluster: Cluster, *, validate: bool = True) -> None:
        self.cluster = cluster
        self._validate = validate
        self._seen: set[int] = set()
        self._open: dict[int, web.Request] = {}
        self._budgets = Budgets(cluster)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self.serve)
        return app

    def cut(self) -> None:
        """Cuts every connection that is open now: watches, logs, attach."""
        for request in list(self._open.values()):
            _abort(request)

    # --- one request ------------------------------------------------------
    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answers, or lets a fault answer; every refusal becomes a `Status`."""
        faults = self.cluster.faults
        if faults.latency:
            await asyncio.sleep(faults.latency)
        self._open[id(request)] = request
        try:
            return await self._answer(request)
        except ApiError as error:
            return _json(error.body(), error.code, error.headers)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:
            self.cluster.bug()
            text = f"Internal error occurred: {error!r}"
            return _json(ApiError(500, "InternalError", text).body(), 500)
        finally:
            del self._open[id(request)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        secure = request.transport is None or request.transport.get_extra_info("sslcontext")
        user = self.cluster.access.user(
            request.headers.get("Authorization", ""), default=ANONYMOUS if secure else ADMIN
        )
        parts = [part for part in request.path.split("/") if part]
        found = _resource(parts)
        if found is None:
            return self._other(request, parts)
        kind, namespace, name, subresource = found
        if kind.group == "metrics.k8s.io" and not self.cluster.metrics:
            return web.Response(status=404, text="404 page not found\n")
        if subresource and subresource not in kind.subresources:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        if request.method not in _READS:
            raise ApiError(405, "MethodNotAllowed", _NOT_ALLOWED)
        params = dict(request.query)
        asked = Asked(request, kind, namespace, name, subresource, user, params)
        if not subresource and asked.verb not in kind.verbs:
            raise ApiError(405, "MethodNotAllowed", _NOT_ALLOWED)
        record = Recorded(asked.verb, asked.resource, namespace, name, user.name, params)
        self.cluster.requests.append(record)
        try:
            response = await self._faulty(asked)
            record.status = response.status
            return response
        except ApiError as error:
            record.status = error.code
            raise

    async def _faulty(self, asked: Asked) -> web.StreamResponse:
        fault = self.cluster.faults.for_request(
            asked.verb, asked.resource, asked.namespace, asked.name
        )
        if fault is None:
            return await self._handle(asked)
        if fault.hang:
            await asyncio.sleep(fault.hang)
        if fault.drop == "after":
            await self._handle(asked)
        if fault.drop:
            _abort(asked.request)
            return web.Response(status=503)
        if fault.status:
            raise fault.error()
        asked.cut_after = fault.cut_after
        return await self._handle(asked)

    async def _handle(self, asked: Asked) -> web.StreamResponse:
        self._authorize(asked)
        if asked.request.method in ("POST", "PUT", "PATCH", "DELETE"):
            asked.body = await _body(asked.request)
            asked.call = _call(asked.request, asked.params)
        special = {"log": streams.log, "attach": streams.attach, "exec": streams.execute}
        if asked.subresource in special:
            pod = self.cluster.verbs.get(POD, asked.namespace, asked.name)
            return await special[asked.subresource](self.cluster, pod, asked.request)
        if asked.verb == "watch":
            return await self._watch(asked)
        handlers: dict[str, Callable[[Asked], Json]] = {
            "scale": self._scale, "eviction": self._evict, "token": self._token,
        }  # fmt: skip
        if asked.subresource in handlers:
            answer = handlers[asked.subresource](asked)
        else:
            answer = self._plain(asked)
        created = asked.request.method == "POST" or asked.params.get("_created") == "1"
        headers = [("Warning", f'299 - "{_quoted(text)}"') for text in asked.call.warnings]
        return _json(answer, 201 if created else 200, headers)

    def _authorize(self, asked: Asked) -> None:
        verbs = [asked.verb]
        if asked.subresource in ("attach", "exec"):
            verbs = ["get", "create"]
        if asked.params.get("sendInitialEvents") == "true":
            verbs = ["watch"]
        for verb in verbs:
            wanted = Attributes(
                verb, asked.kind.group, asked.kind.plural, asked.subresource, asked.namespace,
                asked.name,
            )  # fmt: skip
            self.cluster.access.demand(asked.user, wanted, asked.kind)

    # --- plain verbs ------------------------------------------------------
    def _plain(self, asked: Asked) -> Json:
        if asked.kind.kind == "PodMetrics":
            return self._metrics(asked)
        if asked.kind.kind == "SelfSubjectAccessReview":
            return self._review(asked)
        method = asked.request.method
        if method == "GET" and not asked.name:
            return listing(self.cluster.store, asked.query())
        obj = getattr(self, f"_{method.lower()}")(asked)
        stored = isinstance(obj, dict) and "resourceVersion" in obj.get("metadata", {})
        if stored and obj.get("kind") == asked.kind.kind:
            return one(asked.query(), obj)
        return dict(obj)

    def _get(self, asked: Asked) -> Json:
        return self.cluster.verbs.get(asked.kind, asked.namespace, asked.name)

    def _post(self, asked: Asked) -> Json:
        self._check(asked, partial=False)
        return self.cluster.verbs.create(asked.kind, asked.namespace, asked.body, asked.call)

    def _put(self, asked: Asked) -> Json:
        self._check(asked, partial=False)
        return self.cluster.verbs.replace(
            asked.kind, asked.namespace, asked.name, asked.body, asked.call, asked.subresource
        )

    def _patch(self, asked: Asked) -> Json:
        verbs, kind = self.cluster.verbs, asked.kind
        there = self.cluster.store.get(kind, asked.namespace, asked.name) is not None
        how = asked.request.content_type
        if how == APPLY:
            self._check(asked, partial=True)
            if not there:
                create = Attributes("create", kind.group, kind.plural, "", asked.namespace,
                                    asked.name)  # fmt: skip
                self.cluster.access.demand(asked.user, create, kind)
                asked.params = {**asked.params, "_created": "1"}
        result = verbs.patch(
            kind, asked.namespace, asked.name, asked.body, how, asked.call, asked.subresource
        )
        if how != APPLY:  # a patch is no object; what it made of one is
            self._check(replace(asked, body=result), partial=False)
        return result

    def _delete(self, asked: Asked) -> Json:
        options = _deletion(asked.body, asked.params)
        verbs, kind = self.cluster.verbs, asked.kind
        if not asked.name:
            fits = asked.query().test()
            found = [o for o in self.cluster.store.all(kind, asked.namespace) if fits(o)]
            for obj in found:
                where = obj["metadata"].get("namespace", "")
                verbs.delete(kind, where, obj["metadata"]["name"], options, asked.call)
            metadata = {"resourceVersion": str(self.cluster.store.revision)}
            return shaped(asked.query(), found, metadata)
        obj, gone = verbs.delete(kind, asked.namespace, asked.name, options, asked.call)
        if not gone or kind is POD:
            return obj
        about = {"name": asked.name, "group": kind.group, "kind": kind.plural,
                 "uid": obj["metadata"]["uid"]}  # fmt: skip
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {k: v for k, v in about.items() if v},
        }  # fmt: skip

    def _check(self, asked: Asked, *, partial: bool) -> None:
        """Notes what kubernetes-validate has against a body; never refuses it."""
        if not self._validate or asked.subresource or not isinstance(asked.body, dict):
            return
        digest = hash((asked.kind, orjson.dumps(asked.body, option=orjson.OPT_SORT_KEYS)))
        if digest not in self._seen:
            self._seen.add(digest)
            found = manifests.faults_of(asked.kind, asked.body, partial=partial)
            self.cluster.invalid.extend(found)

    # --- watches ----------------------------------------------------------
    async def _watch(self, asked: Asked) -> web.StreamResponse:
        query = asked.query()
        check_watch(query)
        if self.cluster.faults.gone_as_status and query.number("resourceVersion"):
            self.cluster.store.since(query.number("resourceVersion"))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(asked.request)
        lines = watch(self.cluster.store, query, self.cluster.clock)
        with contextlib.suppress(ConnectionError):
            async with contextlib.aclosing(lines):
                async for text in lines:
                    await response.write(text)
                    if asked.cut_after is not None:
                        asked.cut_after -= 1
                        if not asked.cut_after:
                            _abort(asked.request)
            await response.write_eof()
        return response

    # --- subresources -----------------------------------------------------
    def _scale(self, asked: Asked) -> Json:
        kind, verbs = asked.kind, self.cluster.verbs
        obj = verbs.get(kind, asked.namespace, asked.name)
        if asked.request.method != "GET":
            how = asked.request.content_type
            scale = _scale_of(obj)
            if how == APPLY or asked.request.method == "PUT":
                scale = asked.body
            else:
                scale = patched(kind, ANY, scale, asked.body, how)
            replicas = (scale.get("spec") or {}).get("replicas", 0)
            revision = (scale.get("metadata") or {}).get("resourceVersion")
            if revision and revision != obj["metadata"]["resourceVersion"]:
                raise stale(kind, asked.name)
            obj = verbs.scale(kind, asked.namespace, asked.name, replicas, asked.call, how=how)
        return _scale_of(obj)

    def _evict(self, asked: Asked) -> Json:
        pod = self.cluster.verbs.get(POD, asked.namespace, asked.name)
        options = _deletion((asked.body or {}).get("deleteOptions"), asked.params)
        dry = asked.call.dry_run or bool((asked.body or {}).get("dryRun"))
        return evict(self._budgets, pod, options, dry_run=dry)

    def _token(self, asked: Asked) -> Json:
        self.cluster.verbs.get(asked.kind, asked.namespace, asked.name)
        seconds = (asked.body.get("spec") or {}).get("expirationSeconds", 3600)
        token = self.cluster.access.issue(asked.namespace, asked.name)
        status = {"token": token, "expirationTimestamp": stamp(seconds)}
        return {**asked.body, "status": status}

    def _review(self, asked: Asked) -> Json:
        wanted = (asked.body.get("spec") or {}).get("resourceAttributes") or {}
        resource, _, sub = wanted.get("resource", "").partition("/")
        attributes = Attributes(
            wanted.get("verb", ""), wanted.get("group", ""), resource,
            wanted.get("subresource", sub), wanted.get("namespace", ""), wanted.get("name", ""),
        )  # fmt: skip
        allowed = self.cluster.access.allows(asked.user, attributes)
        return {**asked.body, "status": {"allowed": allowed}}

    def _metrics(self, asked: Asked) -> Json:
        """A small load for every pod that runs."""
        query = Query(POD, asked.namespace, asked.params, "object", asked.name)
        fits = query.test()
        items = [
            _usage(pod)
            for pod in self.cluster.store.all(POD, asked.namespace)
            if fits(pod) and pod.get("status", {}).get("phase") == "Running"
        ]
        if not asked.name:
            return shaped(asked.query(), items, {})
        if not items:
            text = f'podmetrics.metrics.k8s.io "{asked.namespace}/{asked.name}" not found'
            raise ApiError(404, "NotFound", text)
        return items[0]

    # --- what is no resource ----------------------------------------------
    def _other(self, request: web.Request, parts: list[str]) -> web.Response:
        aggregated = "as=APIGroupDiscoveryList" in request.headers.get("Accept", "")
        hidden = frozenset() if self.cluster.metrics else frozenset({"metrics.k8s.io"})
        found: Json | None = None
        match parts:
            case ["version"]:
                return _json(discovery.VERSION)
            case ["healthz" | "livez" | "readyz", *_]:
                return web.Response(text="ok")
            case ["api"]:
                found = discovery.api_versions(aggregated=aggregated)
            case ["apis"]:
                found = discovery.api_groups(aggregated=aggregated, without=hidden)
            case ["api", version]:
                return self._found(discovery.resources("", version))
            case ["apis", group, version] if group not in hidden:
                return self._found(discovery.resources(group, version))
            case ["openapi", "v3"]:
                return _json(discovery.openapi_index())
            case ["openapi", "v3", *rest]:
                return self._found(discovery.openapi("/".join(rest)))
        if found is None:
            return web.Response(status=404, text="404 page not found\n")
        kind = discovery.AGGREGATED if aggregated else "application/json"
        return web.Response(body=orjson.dumps(found), headers={"Content-Type": kind})

    @staticmethod
    def _found(obj: Json | None) -> web.Response:
        if obj is None:
            return web.Response(status=404, text="404 page not found\n")
        return _json(obj)


# --- requests -------------------------------------------------------------
def _resource(parts: list[str]) -> tuple[Kind, str, str, str] | None:
    """(kind, namespace, name, subresource) of a path; None if it names no resource.

    Raises:
        ApiError: 404, there is no such kind.
    """
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0]))
    if kind is None or len(rest) > 3:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    name, subresource = [*rest[1:], "", ""][:2]
    return kind, namespace, name, subresource


async def _body(request: web.Request) -> Any:
    """The body as JSON; YAML where an apply may be YAML."""
    raw = await request.read()
    if not raw:
        return None
    if request.content_type == protobuf.CONTENT_TYPE:
        return protobuf.decode(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if request.content_type not in (APPLY, "application/yaml"):
            raise bad_request("the object provided is unrecognized: invalid JSON") from None
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def _call(request: web.Request, params: Mapping[str, str]) -> Call:
    agent = request.headers.get("User-Agent", "unknown").partition("/")[0]
    return Call(
        manager=params.get("fieldManager") or agent,
        explicit="fieldManager" in params,
        dry_run=params.get("dryRun") == "All",
        force=params.get("force") == "true",
        validation=params.get("fieldValidation", "Warn"),
    )


def _deletion(body: Any, params: Mapping[str, str]) -> Deletion:
    body = body or {}
    conditions = body.get("preconditions") or {}
    grace = params.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
    return Deletion(
        uid=conditions.get("uid"),
        revision=conditions.get("resourceVersion"),
        policy=params.get("propagationPolicy", body.get("propagationPolicy")),
        grace=None if grace is None else int(grace),
    )


# --- answers --------------------------------------------------------------
def _json(
    obj: Any, status: int = 200, headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()
) -> web.Response:
    response = web.Response(body=orjson.dumps(obj), status=status, content_type="application/json")
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        response.headers.add(name, value)
    return response


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _scale_of(obj: Json) -> Json:
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": {
            "replicas": obj.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        },
    }


def _usage(pod: Json) -> Json:
    metadata = pod["metadata"]
    kept = {k: metadata[k] for k in ("name", "namespace", "labels", "creationTimestamp")
            if k in metadata}  # fmt: skip
    rows = [
        {"name": each["name"], "usage": {"cpu": "1234567n", "memory": "20480Ki"}}
        for each in pod["spec"]["containers"]
    ]
    return {
        "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": kept,
        "timestamp": stamp(), "window": "15s", "containers": rows,
    }  # fmt: skip


# --- the start ------------------------------------------------------------
class FakeKube:
    """A running fake cluster; a context manager.

    Args:
        speed: cluster seconds per real second.
        run, entrypoint, node: see `Cluster`.
        validate: check everything that is sent with `kubernetes-validate`;
            what is invalid makes the end of the `with` fail.

    Attributes:
        url: plain HTTP; without a token one is the administrator there.
        secure_url: HTTPS; who has no token is nobody there.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        run: str = "once",
        entrypoint: Sequence[str] = (),
        node: Sequence[str] = (),
        validate: bool = True,
    ) -> None:
        self.cluster = Cluster(speed=speed, run=run, entrypoint=entrypoint, node=node)
        self._server = Server(self.cluster, validate=validate)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="fakekube", daemon=True)
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._authority = b""
        self._sites: list[web.TCPSite] = []
        self._returning: asyncio.Future[None] | None = None
        self.url = self.secure_url = ""

    def __enter__(self) -> FakeKube:
        self._thread.start()
        if not self._ready.wait(30):
            raise RuntimeError("the fake API server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if kind is not None:
            return
        if self.cluster.bugs:
            raise AssertionError("the fake itself failed:\n" + "\n".join(self.cluster.bugs))
        if self.cluster.invalid:
            raise AssertionError("invalid objects were sent:\n" + "\n".join(self.cluster.invalid))

    def stop(self) -> None:
        """Ends the server and all that runs in it."""
        if self._thread.is_alive() and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(30)

    def cut(self) -> None:
        """Cuts all open connections once, mid-watch and mid-log."""
        self.cluster.call(self._server.cut)

    def kubeconfig(self, path: Path, token: str | None = None) -> Path:
        """Writes a kubeconfig for kubectl and clients, by default the administrator's."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [
                {
                    "name": "fake",
                    "cluster": {
                        "server": self.secure_url,
                        "certificate-authority-data": base64.b64encode(self._authority).decode(),
                    },
                }
            ],
            "users": [{"name": "fake", "user": {"token": token or ADMIN_TOKEN}}],
        }
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        return path

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._run())
            self._loop.run_until_complete(self._end_tasks())
        finally:
            self._loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        self._stopping = asyncio.Event()
        runner = web.AppRunner(
            self._server.application(), access_log=None, shutdown_timeout=0.2,
            handler_cancellation=True,
        )  # fmt: skip
        await runner.setup()
        context = self._context()
        self._sites = [
            web.TCPSite(runner, "127.0.0.1", 0),
            web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context),
        ]
        for site in self._sites:
            await site.start()
        plain, secure = (address[1] for address in runner.addresses)
        self.url, self.secure_url = f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"
        self.cluster.faults.on_down = lambda seconds: asyncio.run_coroutine_threadsafe(
            self._away(runner, {plain: None, secure: context}, seconds), self._loop
        ).result(30)
        self.cluster.start(self._loop)
        while self.cluster.busy:
            await asyncio.sleep(0.005)
        self._ready.set()
        await self._stopping.wait()
        await self.cluster.stop()
        await runner.cleanup()

    async def _away(
        self, runner: web.AppRunner, ports: dict[int, ssl.SSLContext | None], seconds: float
    ) -> None:
        """Stops listening, cuts what is open, and comes back on the same ports."""
        for site in self._sites:
            await site.stop()
        self._server.cut()
        for handler in runner.server.connections if runner.server is not None else ():
            handler.close()

        async def back() -> None:
            await asyncio.sleep(seconds)
            self._sites = [
                web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, reuse_address=True)
                for port, context in ports.items()
            ]
            for site in self._sites:
                await site.start()

        self._returning = asyncio.ensure_future(back())

    def _context(self) -> ssl.SSLContext:
        self._authority, key = authority()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(key + self._authority)
            file.flush()
            context.load_cert_chain(file.name)
        return context
