"""What makes an object invalid (422): names, limits, and fields that never change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import available_timezones

from .defaults import containers, pod_template
from .errors import ApiError, Json, cause, invalid
from .kinds import Kind
from .quantity import amount
from .schema import Type, type_of

MAX_SECRET = 1048576
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])")
_DNS_LABEL_KINDS = {"Namespace", "Service"}
_FREE_NAMES = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
_NAME_LIMIT = {"Namespace": 63, "Service": 63, "CronJob": 52}

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    " for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used"
    " for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
    " or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def wrong(field: str, value: Any, why: str) -> Json:
    shown = f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"')
    return cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", field)


def _long(field: str, limit: int) -> Json:
    return cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def _required(field: str, why: str = "") -> Json:
    return cause("FieldValueRequired", f"Required value{': ' if why else ''}{why}", field)


def validate(kind: Kind, obj: Json, live: Json | None) -> None:
    """Checks an object that is about to be stored.

    Raises:
        ApiError: 422 with a cause per field.
    """
    causes = [*_metadata(kind, obj), *_absent(type_of(kind), obj)]
    template = pod_template(kind, obj)
    if template is not None and not causes:
        path = {"Pod": "spec", "CronJob": "spec.jobTemplate.spec.template.spec"}.get(
            kind.kind, "spec.template.spec"
        )
        causes += _pod_spec(template.get("spec") or {}, path)
        causes += _labels((template.get("metadata") or {}).get("labels"), path[:-4] + "labels")
    own = _OWN.get(kind.kind)
    if own is not None and not causes:
        causes += own(obj)
    changed = _CHANGES.get(kind.kind)
    if live is not None and changed is not None and not causes:
        causes += changed(obj, live)
    if causes:
        raise invalid(kind, obj["metadata"].get("name", ""), causes)


def _metadata(kind: Kind, obj: Json) -> Iterator[Json]:
    metadata = obj["metadata"]
    name = metadata.get("name", "")
    if not name:
        yield _required("metadata.name", "name or generateName is required")
    elif kind.kind in _DNS_LABEL_KINDS:
        if not _LABEL.fullmatch(name):
            yield wrong("metadata.name", name, _LABEL_TEXT)
    elif kind.kind not in _FREE_NAMES and not _SUBDOMAIN.fullmatch(name):
        yield wrong("metadata.name", name, _SUBDOMAIN_TEXT)
    limit = _NAME_LIMIT.get(kind.kind, 253)
    if len(name) > limit:
        yield wrong("metadata.name", name, f"must be no more than {limit} characters")
    yield from _labels(metadata.get("labels"), "metadata.labels")
    for key in metadata.get("annotations") or {}:
        yield from _key(key, "metadata.annotations")
    if sum(len(k) + len(v) for k, v in (metadata.get("annotations") or {}).items()) > 256 * 1024:
        yield _long("metadata.annotations", 262144)


def _labels(labels: Json | None, field: str) -> Iterator[Json]:
    for key, value in (labels or {}).items():
        yield from _key(key, field)
        if len(value) > 63:
            yield wrong(field, value, "must be no more than 63 bytes")
        if not _VALUE.fullmatch(value):
            yield wrong(field, value, _VALUE_TEXT)


def _key(key: str, field: str) -> Iterator[Json]:
    prefix, _, name = key.rpartition("/")
    if not _KEY.fullmatch(name):
        yield wrong(field, key, _KEY_TEXT)
    if len(name) > 63:
        yield wrong(field, key, "name part must be no more than 63 bytes")
    if prefix and not _SUBDOMAIN.fullmatch(prefix):
        yield wrong(field, key, f"prefix part {_SUBDOMAIN_TEXT}")


def _absent(of: Type, value: Any, path: str = "") -> Iterator[Json]:
    """Required fields that are missing."""
    if isinstance(value, dict):
        for name in sorted(of.required - value.keys()):
            yield _required(f"{path}.{name}".lstrip("."))
        for name, item in value.items():
            child = of.child(name)
            if child is not None and name != "status":
                yield from _absent(child, item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _absent(of.element, item, f"{path}[{index}]")


def _pod_spec(spec: Json, path: str) -> Iterator[Json]:
    grace = spec.get("terminationGracePeriodSeconds", 30)
    names: set[str] = set()
    for index, each in enumerate(spec.get("containers", [])):
        where = f"{path}.containers[{index}]"
        if each["name"] in names:
            yield cause(
                "FieldValueDuplicate", f'Duplicate value: "{each["name"]}"', f"{where}.name"
            )
        names.add(each["name"])
        if not _LABEL.fullmatch(each["name"]) or len(each["name"]) > 63:
            yield wrong(f"{where}.name", each["name"], _LABEL_TEXT)
        if not each.get("image"):
            yield _required(f"{where}.image")
        yield from _container(each, where, grace)
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for index, each in enumerate(containers(spec)):
        for at, mount in enumerate(each.get("volumeMounts", [])):
            if mount["name"] not in volumes:
                field = f"{path}.containers[{index}].volumeMounts[{at}].name"
                yield cause("FieldValueNotFound", f'Not found: "{mount["name"]}"', field)


def _container(each: Json, where: str, grace: int) -> Iterator[Json]:
    sleep = ((each.get("lifecycle") or {}).get("preStop") or {}).get("sleep")
    if sleep is not None and not 0 <= sleep["seconds"] < grace:
        yield wrong(
            f"{where}.lifecycle.preStop.sleep", sleep["seconds"],
            f"must be non-negative and less than terminationGracePeriodSeconds ({grace})",
        )  # fmt: skip
    resources = each.get("resources") or {}
    limits = resources.get("limits") or {}
    for name, quantity in (resources.get("requests") or {}).items():
        try:
            over = name in limits and amount(quantity) > amount(limits[name])
        except ValueError:
            over = False
        if over:
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            yield wrong(f"{where}.resources.requests", quantity, why)
    for at, port in enumerate(each.get("ports", [])):
        if not 0 < port.get("containerPort", 0) < 65536:
            why = "must be between 1 and 65535, inclusive"
            yield wrong(f"{where}.ports[{at}].containerPort", port.get("containerPort"), why)


# --- kinds ----------------------------------------------------------------
def _secret(obj: Json) -> Iterator[Json]:
    size = 0
    for key, value in (obj.get("data") or {}).items():
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key) or len(key) > 253:
            why = (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
                " (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is"
                " '[-._a-zA-Z0-9]+')"
            )
            yield wrong(f"data[{key}]", key, why)
        size += len(value) * 3 // 4
    if size > MAX_SECRET:
        yield _long("data", MAX_SECRET)


def _secret_change(obj: Json, live: Json) -> Iterator[Json]:
    if obj.get("type") != live.get("type"):
        yield wrong("type", obj.get("type"), "field is immutable")
    if not live.get("immutable"):
        return
    text = "field is immutable when `immutable` is set"
    if not obj.get("immutable"):
        yield cause("FieldValueForbidden", f"Forbidden: {text}", "immutable")
    if obj.get("data") != live.get("data"):
        yield cause("FieldValueForbidden", f"Forbidden: {text}", "data")


def _workload(obj: Json) -> Iterator[Json]:
    spec = obj["spec"]
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    if any(labels.get(k) != v for k, v in wanted.items()):
        shown = "{" + ",".join(f'"{k}":"{v}"' for k, v in sorted(labels.items())) + "}"
        text = f"Invalid value: {shown}: `selector` does not match template `labels`"
        yield cause("FieldValueInvalid", text, "spec.template.metadata.labels")
    if spec.get("replicas", 1) < 0:
        yield wrong("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    restart = spec["template"]["spec"].get("restartPolicy")
    if restart != "Always":
        text = f'Unsupported value: "{restart}": supported values: "Always"'
        yield cause("FieldValueNotSupported", text, "spec.template.spec.restartPolicy")


def _selector_change(obj: Json, live: Json) -> Iterator[Json]:
    if obj["spec"].get("selector") != live["spec"].get("selector"):
        yield wrong("spec.selector", obj["spec"].get("selector"), "field is immutable")


def _job(obj: Json) -> Iterator[Json]:
    restart = obj["spec"]["template"]["spec"].get("restartPolicy")
    if restart not in ("OnFailure", "Never"):
        text = f'Unsupported value: "{restart}": supported values: "OnFailure", "Never"'
        yield cause("FieldValueNotSupported", text, "spec.template.spec.restartPolicy")


def _job_change(obj: Json, live: Json) -> Iterator[Json]:
    for name in ("template", "selector", "completions"):
        if obj["spec"].get(name) != live["spec"].get(name):
            yield wrong(f"spec.{name}", obj["spec"].get(name), "field is immutable")


def _ingress(obj: Json) -> Iterator[Json]:
    for index, rule in enumerate((obj.get("spec") or {}).get("rules", [])):
        host, where = rule.get("host", ""), f"spec.rules[{index}]"
        if host and not _SUBDOMAIN.fullmatch(host.removeprefix("*.")):
            yield wrong(f"{where}.host", host, _SUBDOMAIN_TEXT)
        for at, path in enumerate((rule.get("http") or {}).get("paths", [])):
            if path.get("path") and not path["path"].startswith("/"):
                yield wrong(f"{where}.http.paths[{at}].path", path["path"],
                            "must be an absolute path")  # fmt: skip


def _service(obj: Json) -> Iterator[Json]:
    spec = obj["spec"]
    ports = spec.get("ports", [])
    if not ports and spec.get("clusterIP") != "None" and spec["type"] != "ExternalName":
        yield _required("spec.ports")
    for index, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield _required(f"spec.ports[{index}].name")


def _autoscaler(obj: Json) -> Iterator[Json]:
    spec = obj["spec"]
    if spec["maxReplicas"] < spec["minReplicas"]:
        why = "must be greater than or equal to `minReplicas`"
        yield wrong("spec.maxReplicas", spec["maxReplicas"], why)


def _cron_job(obj: Json) -> Iterator[Json]:
    spec = obj["spec"]
    fields = spec["schedule"].split()
    if len(fields) != 5 and not spec["schedule"].startswith("@"):
        why = f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
        yield wrong("spec.schedule", spec["schedule"], why)
    if "timeZone" in spec and spec["timeZone"] not in available_timezones():
        yield wrong("spec.timeZone", spec["timeZone"], f"unknown time zone {spec['timeZone']}")


def _budget(obj: Json) -> Iterator[Json]:
    spec = obj.get("spec", {})
    if "minAvailable" in spec and "maxUnavailable" in spec:
        text = "minAvailable and maxUnavailable cannot be both set"
        yield wrong("spec", spec, text)


_POD_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only"
    " additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set"
    " to 1 if it was previously negative)"
)


def _pod_change(obj: Json, live: Json) -> Iterator[Json]:
    if _frozen(obj["spec"]) != _frozen(live["spec"]):
        yield cause("FieldValueForbidden", f"Forbidden: {_POD_TEXT}", "spec")


def _frozen(spec: Json) -> Json:
    """A pod's spec without what may change."""
    kept = {
        k: v
        for k, v in spec.items()
        if k not in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds",
                     "nodeName")
    }  # fmt: skip
    for group in ("containers", "initContainers"):
        kept[group] = [{**each, "image": ""} for each in spec.get(group, [])]
    return kept


def _role_change(obj: Json, live: Json) -> Iterator[Json]:
    if obj.get("roleRef") != live.get("roleRef"):
        yield wrong("roleRef", obj.get("roleRef"), "cannot change roleRef")


_OWN: dict[str, Callable[[Json], Iterator[Json]]] = {
    "Secret": _secret, "ConfigMap": _secret, "Deployment": _workload, "ReplicaSet": _workload,
    "Job": _job, "PodDisruptionBudget": _budget, "Ingress": _ingress, "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler, "CronJob": _cron_job,
}  # fmt: skip
_CHANGES: dict[str, Callable[[Json, Json], Iterator[Json]]] = {
    "Secret": _secret_change, "Deployment": _selector_change, "ReplicaSet": _selector_change,
    "Job": _job_change, "Pod": _pod_change, "RoleBinding": _role_change,
    "ClusterRoleBinding": _role_change,
}  # fmt: skip


def precondition(kind: Kind, obj: Json, uid: str | None, revision: str | None) -> None:
    """Raises a 409 unless the object is the incarnation that was meant."""
    name, metadata = obj["metadata"]["name"], obj["metadata"]
    for wanted, have, what in (
        (uid, metadata.get("uid"), "UID"),
        (revision, metadata.get("resourceVersion"), "ResourceVersion"),
    ):
        if wanted and wanted != have:
            raise ApiError(
                409, "Conflict",
                f'Operation cannot be fulfilled on {kind.resource} "{name}": Precondition failed:'
                f" {what} in precondition: {wanted}, {what} in object meta: {have}",
                details={"name": name, "group": kind.group, "kind": kind.plural},
            )  # fmt: skip
