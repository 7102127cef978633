"""Create, replace, patch, apply and delete: the one way objects change.

HTTP and the fake's own controllers go through here alike, so that both get
defaults, validation, admission, generations and managedFields.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from . import apply as ssa
from .admission import admit
from .clock import stamp
from .defaults import fill
from .errors import (
    ApiError,
    Json,
    already_exists,
    bad_request,
    cause,
    not_found,
    stale,
)
from .kinds import Kind
from .patches import json_patch, merge_patch, strategic
from .quantity import amount
from .schema import ANY, Type, bad_quantities, complaints, normal, type_of
from .store import Store
from .validation import precondition, validate

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_NO_GENERATION = {
    "ConfigMap", "Endpoints", "EndpointSlice", "Event", "Lease", "Namespace", "Node", "Secret",
    "Service", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
    "LimitRange", "ResourceQuota", "PersistentVolumeClaim",
}  # fmt: skip
_JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set"
    " propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress"
    " this warning"
)
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
STRATEGIC, JSON_PATCH = "application/strategic-merge-patch+json", "application/json-patch+json"
_ACCEPTED = f"{JSON_PATCH}, {MERGE}, {STRATEGIC}, {APPLY}"


@dataclass
class Call:
    """Circumstances of a request.

    Args:
        manager: the field manager; explicit: whether the client named it.
        validation: of unknown fields: Strict, Warn or Ignore.
        warnings: collects what becomes `Warning` headers.
    """

    manager: str = "kube-controller-manager"
    explicit: bool = True
    dry_run: bool = False
    force: bool = False
    validation: str = "Warn"
    warnings: list[str] = field(default_factory=list)


@dataclass
class Deletion:
    """DeleteOptions. Args: grace: seconds, None for the object's own."""

    uid: str | None = None
    revision: str | None = None
    policy: str | None = None
    grace: int | None = None


class Verbs:
    """Changes objects in a store.

    `before_create` may refuse what is about to be created: faults to order.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.before_create: Callable[[Kind, Json], None] = lambda kind, obj: None

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """Raises: ApiError: 404."""
        found = self.store.get(kind, namespace, name)
        if found is None:
            raise not_found(kind, name)
        return found

    # --- create -----------------------------------------------------------
    def create(self, kind: Kind, namespace: str, body: Json, call: Call) -> Json:
        obj = _decoded(kind, body, call)
        metadata = obj["metadata"]
        _place(kind, metadata, namespace, metadata.get("name", ""))
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(secrets.choice(_ALPHABET) for _ in range(5))
            metadata["name"] = metadata["generateName"] + suffix
        if metadata.get("resourceVersion"):
            raise ApiError(500, None, "resourceVersion should not be set on objects to be created")
        live = self.store.get(kind, namespace, metadata.get("name", ""))
        if live is not None:
            deleting = "deletionTimestamp" in live["metadata"]
            raise already_exists(kind, metadata["name"], deleting=deleting)
        return self._insert(kind, obj, call, noted=False)

    def _insert(self, kind: Kind, obj: Json, call: Call, *, noted: bool) -> Json:
        metadata = obj["metadata"]
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            metadata.pop(name, None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp()}
        if kind.kind not in _NO_GENERATION:
            metadata["generation"] = 1
        if "status" in kind.subresources:
            obj.pop("status", None)
        _quantities(kind, obj)
        obj = normal(type_of(kind), obj)
        fill(kind, obj, None)
        obj = _headed(kind, normal(type_of(kind), obj))
        validate(kind, obj, None)
        self.before_create(kind, obj)
        admit(self.store, kind, obj, None, call.warnings)
        if not noted:
            obj = ssa.note_update(
                kind, None, obj, manager=call.manager, subresource="", now=stamp()
            )
        return obj if call.dry_run else self.store.put(kind, obj)

    # --- change -----------------------------------------------------------
    def replace(
        self, kind: Kind, namespace: str, name: str, body: Json, call: Call, subresource: str = ""
    ) -> Json:
        live = self.get(kind, namespace, name)
        new = _decoded(kind, body, call)
        _place(kind, new["metadata"], namespace, name)
        return self._update(kind, live, new, call, subresource)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        content_type: str,
        call: Call,
        subresource: str = "",
    ) -> Json:
        if content_type == APPLY:
            return self.apply(kind, namespace, name, patch, call, subresource)
        live = self.get(kind, namespace, name)
        new = patched(kind, type_of(kind), live, patch, content_type)
        new = _decoded(kind, new, call)
        _place(kind, new["metadata"], namespace, name)
        return self._update(kind, live, new, call, subresource)

    def apply(
        self, kind: Kind, namespace: str, name: str, body: Json, call: Call, subresource: str = ""
    ) -> Json:
        """Server-side apply; creates what is not there."""
        if not call.explicit:
            text = "fieldManager: Required value: is required for apply patch"
            raise ApiError(
                422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: {text}',
                details={"group": "meta.k8s.io", "kind": "PatchOptions",
                         "causes": [cause("FieldValueRequired", text[14:], "fieldManager")]},
            )  # fmt: skip
        config = _copy(body)
        metadata = config.setdefault("metadata", {})
        if metadata.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        _typed(kind, config)
        _place(kind, metadata, namespace, name)
        ssa.check(kind, config)
        config = _prepared(type_of(kind), config)
        live = self.store.get(kind, namespace, name)
        new = ssa.apply(
            kind, live, config, manager=call.manager, subresource=subresource, force=call.force,
            now=stamp(),
        )  # fmt: skip
        if live is None:
            if subresource:
                raise not_found(kind, name)
            if metadata.get("uid"):
                raise _uid_conflict(kind, name, metadata["uid"], "")
            if metadata.get("resourceVersion"):
                raise stale(kind, name)
            return self._insert(kind, new, call, noted=True)
        return self._update(kind, live, new, call, subresource, noted=True)

    def set_status(self, kind: Kind, obj: Json, status: Json) -> Json | None:
        """A controller's status; None if the object has gone or it is the same."""
        metadata = obj["metadata"]
        live = self.store.get(kind, metadata.get("namespace", ""), metadata["name"])
        if live is None or live["metadata"]["uid"] != metadata["uid"]:
            return None
        if live.get("status") == status:
            return None
        return self.store.put(kind, {**live, "status": status})

    def edit(self, kind: Kind, obj: Json, change: Callable[[Json], None]) -> Json:
        """A controller's change of the live object, by a function that edits a copy."""
        metadata = obj["metadata"]
        live = self.get(kind, metadata.get("namespace", ""), metadata["name"])
        new = _copy(live)
        change(new)
        return self._update(kind, live, new, Call())

    def scale(
        self, kind: Kind, namespace: str, name: str, replicas: int, call: Call, *, how: str
    ) -> Json:
        """Sets `spec.replicas` by the scale subresource; how: apply or any other content type."""
        live = self.get(kind, namespace, name)
        if how == APPLY:
            config = {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"replicas": replicas},
            }
            live = ssa.before_first_apply(kind, live, now=stamp())
            new = ssa.apply(
                kind, live, config, manager=call.manager, subresource="scale", force=call.force,
                now=stamp(),
            )  # fmt: skip
            return self._update(kind, live, new, call, "scale", noted=True)
        new = {**live, "spec": {**live["spec"], "replicas": replicas}}
        return self._update(kind, live, new, call, "scale")

    def _update(
        self,
        kind: Kind,
        live: Json,
        new: Json,
        call: Call,
        subresource: str = "",
        *,
        noted: bool = False,
    ) -> Json:
        metadata = _kept_metadata(kind, live["metadata"], new["metadata"])
        if subresource == "status":
            status = normal(type_of(kind).fields["status"], _copy(new).get("status"))
            new = _copy({**live, "status": status, "metadata": metadata})
        else:
            new = self._completed(kind, live, _copy({**new, "metadata": metadata}), call)
        if not noted:
            new = ssa.note_update(
                kind, live, new, manager=call.manager, subresource=subresource, now=stamp()
            )
        if "generation" in live["metadata"] and _specified(new) != _specified(live):
            new["metadata"]["generation"] = live["metadata"]["generation"] + 1
        if new == live or call.dry_run:
            return live if new == live else new
        if _finished(kind, new):
            self.store.remove(kind, live)
            return new
        return self.store.put(kind, new)

    def _completed(self, kind: Kind, live: Json, new: Json, call: Call) -> Json:
        """A changed spec with its defaults, if it is valid and admitted; the status is kept."""
        has_status = "status" in kind.subresources
        if has_status:
            new.pop("status", None)
        _quantities(kind, new)
        new = normal(type_of(kind), new)
        fill(kind, new, live)
        new = _headed(kind, normal(type_of(kind), new))
        if has_status and "status" in live:
            new["status"] = live["status"]
        validate(kind, new, live)
        admit(self.store, kind, new, live, call.warnings)
        return new

    # --- delete -----------------------------------------------------------
    def delete(
        self, kind: Kind, namespace: str, name: str, options: Deletion, call: Call
    ) -> tuple[Json, bool]:
        """(the object as it was last, whether it is gone already).

        Raises:
            ApiError: 404, or 409 for an unmet precondition.
        """
        live = self.get(kind, namespace, name)
        precondition(kind, live, options.uid, options.revision)
        policy = _policy(kind, options, call)
        new = _copy(live)
        if policy == "Foreground":
            finalizers = new["metadata"].setdefault("finalizers", [])
            if "foregroundDeletion" not in finalizers:
                finalizers.append("foregroundDeletion")
        grace = _grace(kind, live, options)
        waits = bool(new["metadata"].get("finalizers")) or grace > 0 or kind.kind == "Namespace"
        if call.dry_run:
            return live, not waits
        if policy == "Orphan":
            self._orphan(live)
        if not waits:
            self.store.remove(kind, live)
            return live, True
        _mark(kind, new, grace)
        return (live if new == live else self.store.put(kind, new)), False

    def _orphan(self, owner: Json) -> None:
        uid = owner["metadata"]["uid"]
        for kind, obj in self.store.owned(uid):
            left = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
            metadata = {k: v for k, v in obj["metadata"].items() if k != "ownerReferences"}
            if left:
                metadata["ownerReferences"] = left
            self.store.put(kind, {**obj, "metadata": metadata})


def _policy(kind: Kind, options: Deletion, call: Call) -> str | None:
    """What becomes of dependents; a Job's pods are kept unless the client says otherwise."""
    if kind.kind != "Job" or options.policy is not None:
        return options.policy
    call.warnings.append(_JOB_WARNING)
    return "Orphan"


def _mark(kind: Kind, new: Json, grace: int) -> None:
    """Notes that an object is going; a second time only a shorter grace counts."""
    metadata = new["metadata"]
    if "deletionTimestamp" not in metadata:
        metadata |= {"deletionTimestamp": stamp(grace), "deletionGracePeriodSeconds": grace}
        if "generation" in metadata:
            metadata["generation"] += 1
    elif grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionGracePeriodSeconds"] = grace
    if kind.kind == "Namespace":
        new["status"] = {**new.get("status", {}), "phase": "Terminating"}


def _grace(kind: Kind, live: Json, options: Deletion) -> int:
    """Seconds that a pod may take to end: none if it does not run."""
    if kind.kind != "Pod" or not live["spec"].get("nodeName"):
        return 0
    if live.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace is not None:
        return options.grace
    return int(live["spec"].get("terminationGracePeriodSeconds", 30))


def _finished(kind: Kind, obj: Json) -> bool:
    """Whether an object that was being deleted has nothing left to wait for."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if kind.kind == "Namespace":
        return not obj["spec"].get("finalizers")
    return kind.kind != "Pod" or not metadata.get("deletionGracePeriodSeconds")


_QUANTITY = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


def _quantities(kind: Kind, obj: Json) -> None:
    """Raises a 400 for a quantity that is none, as decoding would."""
    if any(bad_quantities(type_of(kind), obj)):
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}:'
            f" {_QUANTITY}"
        )


def _headed(kind: Kind, obj: Json) -> Json:
    """With kind and apiVersion, first."""
    return {"kind": kind.kind, "apiVersion": kind.api_version, **obj}


def _copy(obj: Json) -> Json:
    copied: Json = orjson.loads(orjson.dumps(obj))
    return copied


def _typed(kind: Kind, body: Any) -> None:
    """Whether a body says it is what the path says."""
    if not isinstance(body, dict):
        raise bad_request("couldn't get version/kind; json parse error")
    body.setdefault("apiVersion", kind.api_version)
    body.setdefault("kind", kind.kind)
    if (body["apiVersion"], body["kind"]) != (kind.api_version, kind.kind):
        group, _, version = body["apiVersion"].rpartition("/")
        raise bad_request(
            f"{body['kind']} in version {version!r} group {group!r} cannot be handled as a"
            f" {kind.kind}"
        )


def _decoded(kind: Kind, body: Json, call: Call) -> Json:
    """A body of a create, replace or patch: unknown fields are dropped, warned of or refused."""
    obj = _copy(body)
    _typed(kind, obj)
    obj.setdefault("metadata", {})
    unknown = []
    for text in complaints(type_of(kind), obj):
        path, _, why = text.partition(": ")
        if why == "field not declared in schema":
            unknown.append(f'unknown field "{path.lstrip(".")}"')
        elif why.startswith("expected"):
            raise bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}:'
                f" json: cannot unmarshal: {path.lstrip('.')}: {why}"
            )
    if unknown and call.validation == "Strict":
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict'
            f" decoding error: {', '.join(unknown)}"
        )
    if call.validation == "Warn":
        call.warnings.extend(unknown)
    known: Json = _without_unknown(type_of(kind), obj) if unknown else obj
    return known


def _without_unknown(of: Type, value: Any) -> Any:
    if isinstance(value, list):
        return [_without_unknown(of.element, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_unknown(child, item)
        for name, item in value.items()
        if (child := of.child(name)) is not None
    }


def _prepared(of: Type, value: Any) -> Any:
    """Quantities of an apply body in their canonical form; all else as it was sent."""
    if isinstance(value, list):
        return [_prepared(of.element, item) for item in value]
    if isinstance(value, dict):
        return {name: _prepared(of.child(name) or ANY, item) for name, item in value.items()}
    return normal(of, value)


def _place(kind: Kind, metadata: Json, namespace: str, name: str) -> None:
    """Puts an object where the path says, unless it says otherwise itself."""
    if kind.namespaced:
        if metadata.get("namespace", namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if name and metadata.setdefault("name", name) != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL"
            f" ({name})"
        )


def _uid_conflict(kind: Kind, name: str, wanted: str, have: str) -> ApiError:
    return ApiError(
        409, "Conflict",
        f'Operation cannot be fulfilled on {kind.resource} "{name}": Precondition failed: UID in'
        f" precondition: {wanted}, UID in object meta: {have}",
    )  # fmt: skip


def _kept_metadata(kind: Kind, live: Json, new: Json) -> Json:
    """The new metadata with what only the server sets.

    Raises:
        ApiError: 409, it was meant for another revision; 422, for another uid.
    """
    name = live["name"]
    if new.get("resourceVersion") and new["resourceVersion"] != live["resourceVersion"]:
        raise stale(kind, name)
    if new.get("uid") and new["uid"] != live["uid"]:
        text = f'metadata.uid: Invalid value: "{new["uid"]}": field is immutable'
        raise ApiError(422, "Invalid", f'{kind.qualified} "{name}" is invalid: {text}')
    merged = {**new}
    for field_name in (
        "uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp",
        "deletionGracePeriodSeconds", "generateName",
    ):  # fmt: skip
        merged.pop(field_name, None)
        if field_name in live:
            merged[field_name] = live[field_name]
    return merged


def _specified(obj: Json) -> Any:
    """What a generation counts: all but metadata and status, quantities by value."""
    rest = {k: v for k, v in obj.items() if k not in ("metadata", "status")}
    found = (rest, obj["metadata"].get("deletionTimestamp"))
    return _by_value(found)


def _by_value(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        if name in ("requests", "limits"):
            return {k: amount(v) for k, v in value.items()}
        return {k: _by_value(v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_by_value(item) for item in value]
    return value


def patched(kind: Kind, of: Type, value: Json, patch: Any, content_type: str) -> Json:
    """A value after a patch that is no apply.

    Raises:
        ApiError: 415, a content type that this kind does not take.
    """
    result: Json
    if content_type == MERGE:
        result = merge_patch(value, patch)
    elif content_type == JSON_PATCH:
        result = json_patch(value, patch)
    elif content_type == STRATEGIC and kind.schema:
        result = strategic(of, value, patch)
    else:
        raise ApiError(
            415, "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include:"
            f" {_ACCEPTED}",
        )  # fmt: skip
    return result
