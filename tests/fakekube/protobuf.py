"""The one body that kubectl sends as protobuf and that we must read: `auth can-i`.

Kubernetes wraps a message as `k8s\\0` and `runtime.Unknown{typeMeta, raw}`.
All else is refused with 415, which makes clients that can send JSON.
"""

from __future__ import annotations

from .errors import ApiError, Json

MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_ATTRIBUTES = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource",
               6: "subresource", 7: "name"}  # fmt: skip


def fields(data: bytes) -> dict[int, bytes]:
    """A message's length-delimited fields by number; the last of each."""
    found, at = {}, 0
    while at < len(data):
        tag, at = _varint(data, at)
        size, at = _varint(data, at)
        if tag & 7 == 2:
            found[tag >> 3] = data[at : at + size]
            at += size
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def decode(data: bytes) -> Json:
    """A SelfSubjectAccessReview.

    Raises:
        ApiError: 415, it is anything else.
    """
    unknown = fields(data.removeprefix(MAGIC))
    meta = fields(unknown.get(1, b""))
    kind = meta.get(2, b"").decode()
    if kind != "SelfSubjectAccessReview":
        text = f"the fake reads no {kind} from protobuf; send application/json"
        raise ApiError(415, "UnsupportedMediaType", text)
    spec = fields(fields(unknown.get(2, b"")).get(2, b""))
    attributes = fields(spec.get(1, b""))
    found = {name: attributes[n].decode() for n, name in _ATTRIBUTES.items() if n in attributes}
    return {"apiVersion": meta[1].decode(), "kind": kind, "spec": {"resourceAttributes": found}}
