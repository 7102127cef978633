"""What goes wrong, to order: in pods, at the API, and in admission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .errors import ApiError, Json, forbidden
from .kinds import Kind

PULL_NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to'
    ' resolve reference "{image}": {image}: not found'
)
MOUNT = (
    'failed to mount /tmp/containerd-mount: mount source: "{path}", target:'
    ' "/run/containerd/rootfs{path}", fstype: bind, flags: 4097, data: "", err: no such file or'
    " directory"
)


@dataclass
class PodFault:
    """What befalls the containers it matches.

    Args:
        kind: one of
            pull: ErrImagePull, then ImagePullBackOff, in turns;
            invalid-image: InvalidImageName; never-present: ErrImageNeverPull;
            create: the pull succeeds, then CreateContainerError;
            config: CreateContainerConfigError;
            start: the command does not exist: RunContainerError, StartError 128;
            crash: exits by itself `after` seconds with `exit_code`, again and again;
            oom: the same as OOMKilled 137;
            unready: starts and never passes its readiness probe;
            startup, liveness: fails that probe and is restarted;
            slow: takes `after` seconds to become ready;
            stuck: does not heed TERM;
            unschedulable: no node takes it, `message` says why.
        labels, image, namespace, container: all that are given must match;
            image as a part of the image's name.
        message: instead of the usual text.
        after: cluster seconds. output: what a crashing process prints.
        times: how many starts it spoils; None for all.
    """

    kind: str
    labels: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    namespace: str = ""
    container: str = ""
    message: str = ""
    after: float = 0.0
    exit_code: int = 1
    output: str = ""
    times: int | None = None

    def matches(self, pod: Json, container: Json) -> bool:
        metadata = pod["metadata"]
        have = metadata.get("labels") or {}
        return (
            all(have.get(k) == v for k, v in self.labels.items())
            and self.image in container.get("image", "")
            and self.namespace in ("", metadata["namespace"])
            and self.container in ("", container["name"])
            and self.times != 0
        )


@dataclass
class ApiFault:
    """What befalls requests.

    Args:
        verb, resource, name, namespace: which; empty for any. Verbs as in
            RBAC (`patch`, `watch`), resources plural with their subresource
            (`deployments/scale`).
        status: the answer; 429 carries `Retry-After: retry_after`.
        drop: the connection is cut instead: "before" the request is carried
            out, or "after" it, so that the client cannot know.
        hang: seconds (real ones) that the request is kept waiting.
        cut_after: events after which a watch's connection is cut.
        times: how many requests it spoils; None for all.
    """

    verb: str = ""
    resource: str = ""
    name: str = ""
    namespace: str = ""
    status: int = 0
    retry_after: int = 1
    message: str = ""
    drop: str = ""
    hang: float = 0.0
    cut_after: int | None = None
    times: int | None = 1

    def matches(self, verb: str, resource: str, namespace: str, name: str) -> bool:
        asked = ((self.verb, verb), (self.resource, resource), (self.namespace, namespace),
                 (self.name, name))  # fmt: skip
        return self.times != 0 and all(mine in ("", theirs) for mine, theirs in asked)

    def error(self) -> ApiError:
        """The answer."""
        if self.status == 429:
            text = self.message or "Too many requests, please try again later."
            headers = {"Retry-After": str(self.retry_after)}
            more = {"retryAfterSeconds": self.retry_after}
            return ApiError(429, "TooManyRequests", text, details=more, headers=headers)
        reason = {503: "ServiceUnavailable", 504: "Timeout", 403: "Forbidden", 409: "Conflict"}
        text = self.message or "Internal error occurred: ordered by the test"
        return ApiError(self.status, reason.get(self.status, "InternalError"), text)


@dataclass
class Denial:
    """An admission webhook that refuses new objects of a kind that carry the labels."""

    kind: str
    labels: Mapping[str, str] = field(default_factory=dict)
    message: str = 'admission webhook "policy.example.com" denied the request: not today'

    def check(self, kind: Kind, obj: Json) -> None:
        have = obj["metadata"].get("labels") or {}
        if kind.kind == self.kind and all(have.get(k) == v for k, v in self.labels.items()):
            error = forbidden(kind, obj["metadata"].get("name", ""), self.message)
            raise ApiError(403, "Forbidden", self.message, details=error.details)


@dataclass
class Faults:
    """All orders. Lists may be changed at any time, from any thread.

    Args:
        latency: seconds (real ones) before each answer.
        gone_as_status: a watch from a compacted revision answers HTTP 410
            instead of an ERROR event (both are seen in the wild).
    """

    pods: list[PodFault] = field(default_factory=list)
    api: list[ApiFault] = field(default_factory=list)
    denials: list[Denial] = field(default_factory=list)
    latency: float = 0.0
    gone_as_status: bool = False
    on_down: Callable[[float], None] = lambda seconds: None

    def down(self, seconds: float) -> None:
        """The API server is away for real seconds: connections are cut and refused."""
        self.on_down(seconds)

    def for_request(self, verb: str, resource: str, namespace: str, name: str) -> ApiFault | None:
        for each in self.api:
            if each.matches(verb, resource, namespace, name):
                if each.times is not None:
                    each.times -= 1
                return each
        return None

    def for_container(self, pod: Json, container: Json, *kinds: str) -> PodFault | None:
        """The order for one start of a container, of these kinds."""
        for each in self.pods:
            if each.kind in kinds and each.matches(pod, container):
                return each
        return None

    def clear(self) -> None:
        """All is well again."""
        self.pods.clear()
        self.api.clear()
        self.denials.clear()
        self.latency, self.gone_as_status = 0.0, False
