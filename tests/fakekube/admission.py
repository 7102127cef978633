"""What a valid object is still refused for: PodSecurity, quota, limits, a dying namespace."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from .defaults import containers, pod_template
from .errors import Json, cause, forbidden, not_found
from .kinds import Kind, named
from .quantity import amount, canonical
from .store import Store

_ALLOWED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret", "image",
}  # fmt: skip
_ENFORCE, _WARN = "pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"


def admit(store: Store, kind: Kind, obj: Json, live: Json | None, warnings: list[str]) -> None:
    """Lets an object in or raises a 403; LimitRanges fill in a pod's resources.

    Args:
        warnings: gets what the client should be told in a `Warning` header.
    """
    if kind.namespaced:
        _namespace(store, kind, obj, live)
    labels = _labels_of(store, obj) if kind.namespaced else obj["metadata"].get("labels", {})
    if kind.kind == "Namespace":
        _tightened(store, obj, live, warnings)
    elif kind.kind == "Pod":
        if live is None:
            _limit_ranges(store, kind, obj)
            _pod_security(kind, obj, labels)
            _quotas(store, kind, obj)
    elif pod_template(kind, obj) is not None and kind.kind != "ReplicaSet":
        template = pod_template(kind, obj) or {}
        found = list(violations(template.get("spec") or {}))
        if labels.get(_WARN) == "restricted" and found:
            warnings.append(f'would violate PodSecurity "restricted:latest": {", ".join(found)}')
    elif live is None:
        _counts(store, kind, obj)


def _labels_of(store: Store, obj: Json) -> Json:
    space = store.get(named("Namespace"), "", obj["metadata"].get("namespace", ""))
    return (space or {}).get("metadata", {}).get("labels") or {}


def _namespace(store: Store, kind: Kind, obj: Json, live: Json | None) -> None:
    name = obj["metadata"]["namespace"]
    space = store.get(named("Namespace"), "", name)
    if space is None:
        raise not_found(named("Namespace"), name)
    if live is None and "deletionTimestamp" in space["metadata"]:
        why = f"unable to create new content in namespace {name} because it is being terminated"
        found = cause("NamespaceTerminating", f"namespace {name} is being terminated",
                      "metadata.namespace")  # fmt: skip
        raise forbidden(kind, obj["metadata"]["name"], why, [found])


# --- PodSecurity ----------------------------------------------------------
def _pod_security(kind: Kind, obj: Json, labels: Json) -> None:
    if labels.get(_ENFORCE) != "restricted":
        return
    found = list(violations(obj["spec"]))
    if found:
        why = f'violates PodSecurity "restricted:latest": {", ".join(found)}'
        raise forbidden(kind, obj["metadata"]["name"], why)


def _tightened(store: Store, obj: Json, live: Json | None, warnings: list[str]) -> None:
    labels = obj["metadata"].get("labels") or {}
    if live is None or labels.get(_ENFORCE) != "restricted":
        return
    if (live["metadata"].get("labels") or {}).get(_ENFORCE) == "restricted":
        return
    pods = store.all(named("Pod"), obj["metadata"]["name"])
    bad = [each["metadata"]["name"] for each in pods if list(violations(each["spec"]))]
    if bad:
        warnings.append(
            f'existing pods in namespace "{obj["metadata"]["name"]}" violate the new PodSecurity'
            f' enforce level "restricted:latest"'
        )
        warnings.extend(bad)


def _plural(names: list[str], one: str = "container", many: str = "containers") -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"{one if len(names) == 1 else many} {quoted}"


def violations(spec: Json) -> Iterator[str]:
    """What `restricted` has against a pod, in the admission's words and order."""
    everyone = containers(spec)

    def those(bad: Any) -> list[str]:
        return [each["name"] for each in everyone if bad(each, each.get("securityContext") or {})]

    pod = spec.get("securityContext") or {}
    for setting in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(setting):
            yield f"host namespaces ({setting}=true)"
    if found := those(lambda each, own: any(p.get("hostPort") for p in each.get("ports", []))):
        yield f"hostPort ({_plural(found)} uses hostPorts)"
    if found := those(lambda each, own: own.get("privileged")):
        yield f"privileged ({_plural(found)} must not set securityContext.privileged=true)"
    if found := those(lambda each, own: own.get("allowPrivilegeEscalation") is not False):
        yield (
            f"allowPrivilegeEscalation != false ({_plural(found)} must set"
            " securityContext.allowPrivilegeEscalation=false)"
        )
    if found := those(lambda each, own: "ALL" not in _dropped(own) or _added(own)):
        yield (
            f"unrestricted capabilities ({_plural(found)} must set"
            ' securityContext.capabilities.drop=["ALL"])'
        )
    bad_volumes = [
        volume["name"]
        for volume in spec.get("volumes", [])
        if set(volume) - {"name"} - _ALLOWED_VOLUMES
    ]
    if bad_volumes:
        which = _plural(bad_volumes, "volume", "volumes")
        yield f"restricted volume types ({which} uses restricted volume type)"
    yield from _users(pod, those)
    yield from _seccomp(pod, those)
    if found := those(_probes_a_host):
        yield f"probe or lifecycle host ({_plural(found)} uses probe or lifecycle host)"


def _dropped(own: Json) -> list[str]:
    return list((own.get("capabilities") or {}).get("drop") or [])


def _added(own: Json) -> set[str]:
    return set((own.get("capabilities") or {}).get("add") or []) - {"NET_BIND_SERVICE"}


def _users(pod: Json, those: Any) -> Iterator[str]:
    def as_root(_each: Json, own: Json) -> bool:
        return own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True

    if found := those(as_root):
        yield (
            f"runAsNonRoot != true (pod or {_plural(found)} must set"
            " securityContext.runAsNonRoot=true)"
        )
    if pod.get("runAsUser") == 0:
        yield "runAsUser=0 (pod must not set runAsUser=0)"
    if found := those(lambda each, own: own.get("runAsUser") == 0):
        yield f"runAsUser=0 ({_plural(found)} must not set runAsUser=0)"


def _seccomp(pod: Json, those: Any) -> Iterator[str]:
    allowed = ("RuntimeDefault", "Localhost")

    def unconfined(_each: Json, own: Json) -> bool:
        profile = own.get("seccompProfile") or pod.get("seccompProfile") or {}
        return profile.get("type") not in allowed

    if found := those(unconfined):
        yield (
            f"seccompProfile (pod or {_plural(found)} must set securityContext.seccompProfile.type"
            ' to "RuntimeDefault" or "Localhost")'
        )


def _probes_a_host(each: Json, _own: Json) -> bool:
    probes = [each.get(name) or {} for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    return any(
        (probe.get(way) or {}).get("host") for probe in probes for way in ("httpGet", "tcpSocket")
    )


# --- LimitRange and ResourceQuota -----------------------------------------
_WORDS = {"memory": "memory", "cpu": "cpu"}


def _limit_ranges(store: Store, kind: Kind, pod: Json) -> None:
    for obj in store.all(named("LimitRange"), pod["metadata"]["namespace"]):
        for limit in obj["spec"]["limits"]:
            if limit["type"] == "Container":
                for each in containers(pod["spec"]):
                    _limit(kind, pod, each, limit)


def _limit(kind: Kind, pod: Json, each: Json, limit: Json) -> None:
    resources = each.setdefault("resources", {})
    had_limits = dict(resources.get("limits") or {})
    limits = {**limit.get("default", {}), **had_limits}
    requests = {
        **had_limits,
        **{k: v for k, v in limit.get("defaultRequest", {}).items() if k not in had_limits},
        **(resources.get("requests") or {}),
    }
    each["resources"] = {k: v for k, v in (("limits", limits), ("requests", requests)) if v}
    for name, most in limit.get("max", {}).items():
        if name in limits and amount(limits[name]) > amount(most):
            why = f"maximum {name} usage per Container is {most}, but limit is {limits[name]}"
            raise forbidden(kind, pod["metadata"]["name"], why)
    for name, least in limit.get("min", {}).items():
        if name in requests and amount(requests[name]) < amount(least):
            why = f"minimum {name} usage per Container is {least}, but request is {requests[name]}"
            raise forbidden(kind, pod["metadata"]["name"], why)


def usage(pod: Json) -> dict[str, Decimal]:
    """What a pod counts for against a quota and on a node."""
    total: dict[str, Decimal] = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for each in pod["spec"].get("containers", []):
        for side in ("requests", "limits"):
            for name, quantity in ((each.get("resources") or {}).get(side) or {}).items():
                key = f"{side}.{name}"
                total[key] = total.get(key, Decimal(0)) + amount(quantity)
                if side == "requests":
                    total[name] = total[key]
    return total


def _quotas(store: Store, kind: Kind, pod: Json) -> None:
    namespace = pod["metadata"]["namespace"]
    for quota in store.all(named("ResourceQuota"), namespace):
        hard = (quota.get("spec") or {}).get("hard", {})
        name = quota["metadata"]["name"]
        needs = usage(pod)
        _must_specify(kind, pod, name, hard)
        used: dict[str, Decimal] = {}
        for other in store.all(kind, namespace):
            if other.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                for key, value in usage(other).items():
                    used[key] = used.get(key, Decimal(0)) + value
        over = [
            key for key in sorted(hard)
            if key in needs and used.get(key, 0) + needs[key] > amount(hard[key])
        ]  # fmt: skip
        if over:
            raise forbidden(kind, pod["metadata"]["name"], _exceeded(name, over, needs, used, hard))


def _must_specify(kind: Kind, pod: Json, name: str, hard: Json) -> None:
    for key in sorted(hard):
        side, _, resource = key.partition(".")
        if side not in ("requests", "limits"):
            side, resource = "requests", key
        if resource not in _WORDS:
            continue
        lacking = [
            each["name"] for each in containers(pod["spec"])
            if resource not in ((each.get("resources") or {}).get(side) or {})
        ]  # fmt: skip
        if lacking:
            why = f"failed quota: {name}: must specify {key} for: {','.join(lacking)}"
            raise forbidden(kind, pod["metadata"]["name"], why)


def _exceeded(
    name: str, over: list[str], needs: dict[str, Decimal], used: dict[str, Decimal], hard: Json
) -> str:
    def shown(values: Any) -> str:
        return ",".join(f"{key}={_form(key, values.get(key, 0))}" for key in over)

    return (
        f"exceeded quota: {name}, requested: {shown(needs)}, used: {shown(used)},"
        f" limited: {shown(hard)}"
    )


def _form(key: str, value: Any) -> str:
    if isinstance(value, Decimal) and "memory" in key and value == value.to_integral_value():
        return canonical(f"{int(value) // 1024}Ki" if value % 1024 == 0 else int(value))
    return canonical(value)


def _counts(store: Store, kind: Kind, obj: Json) -> None:
    """Quotas on the number of objects: `count/secrets`, `services`."""
    namespace = obj["metadata"].get("namespace", "")
    if not namespace:
        return
    for quota in store.all(named("ResourceQuota"), namespace):
        hard = (quota.get("spec") or {}).get("hard", {})
        for key in (kind.plural, f"count/{kind.resource}"):
            used = Decimal(store.count(kind, namespace))
            if key in hard and used + 1 > amount(hard[key]):
                why = _exceeded(quota["metadata"]["name"], [key], {key: Decimal(1)}, {key: used},
                                hard)  # fmt: skip
                raise forbidden(kind, obj["metadata"]["name"], why)
