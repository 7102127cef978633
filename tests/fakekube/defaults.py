"""What the server fills in where an object says nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from .errors import Json
from .kinds import Kind


def containers(pod_spec: Json) -> list[Json]:
    """Init containers and containers."""
    return [*pod_spec.get("initContainers", []), *pod_spec.get("containers", [])]


def pod_template(kind: Kind, obj: Json) -> Json | None:
    """Where an object keeps its pod's metadata and spec; the pod itself is its own."""
    spec = obj.get("spec") or {}
    if kind.kind == "Pod":
        return obj
    if kind.kind == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    found = spec.get("template")
    return found if isinstance(found, dict) else None


def fill(kind: Kind, obj: Json, live: Json | None) -> None:
    """Sets the defaults in a fresh copy of an object, in place."""
    template = pod_template(kind, obj)
    if template is not None:
        template.setdefault("metadata", {})
        _pod(template.setdefault("spec", {}), "Always")
    own = _DEFAULTS.get(kind.kind)
    if own is not None:
        own(obj, live)


def _set(into: Json, **values: Any) -> None:
    for name, value in values.items():
        into.setdefault(name, value)


def _pod(spec: Json, restart: str) -> None:
    _set(
        spec,
        restartPolicy=restart,
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if "serviceAccountName" in spec:
        _set(spec, serviceAccount=spec["serviceAccountName"])
    for each in containers(spec):
        _container(each)
    for volume in spec.get("volumes", []):
        _volume(volume)


def _container(each: Json) -> None:
    image = str(each.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    _set(
        each,
        imagePullPolicy="IfNotPresent" if tag not in ("", "latest") else "Always",
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    limits, requests = each["resources"].get("limits"), each["resources"].get("requests", {})
    if limits:
        each["resources"]["requests"] = {**limits, **requests}
    for port in each.get("ports", []):
        _set(port, protocol="TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in each:
            _probe(each[name])
    for variable in each.get("env", []):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            _set(reference, apiVersion="v1")


def _probe(probe: Json) -> None:
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if "httpGet" in probe:
        _set(probe["httpGet"], path="/", scheme="HTTP")


def _volume(volume: Json) -> None:
    for source, mode in (("secret", 420), ("configMap", 420), ("projected", 420)):
        if source in volume:
            _set(volume[source], defaultMode=mode)


def _deployment(obj: Json, _live: Json | None) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    _set(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _set(spec["strategy"], rollingUpdate={})
        _set(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _replica_set(obj: Json, _live: Json | None) -> None:
    _set(obj.setdefault("spec", {}), replicas=1)


def _stateful_set(obj: Json, _live: Json | None) -> None:
    _set(
        obj.setdefault("spec", {}),
        replicas=1,
        revisionHistoryLimit=10,
        podManagementPolicy="OrderedReady",
    )


def _job_spec(spec: Json) -> None:
    _set(spec, completions=1, parallelism=1, backoffLimit=6, suspend=False)
    _set(spec, completionMode="NonIndexed", podReplacementPolicy="TerminatingOrFailed")


def _job(obj: Json, live: Json | None) -> None:
    spec = obj.setdefault("spec", {})
    _job_spec(spec)
    uid = obj["metadata"].get("uid")
    if live is None and uid and "selector" not in spec:
        controlled = {"batch.kubernetes.io/controller-uid": uid}
        labels = spec["template"]["metadata"].setdefault("labels", {})
        labels |= {**controlled, "batch.kubernetes.io/job-name": obj["metadata"].get("name", "")}
        labels |= {"controller-uid": uid, "job-name": obj["metadata"].get("name", "")}
        spec["selector"] = {"matchLabels": controlled}
    elif live is not None:
        _keep_generated(spec, live["spec"])


def _keep_generated(spec: Json, live: Json) -> None:
    """A Job's selector and its template's labels are the server's; bodies leave them out."""
    _set(spec, selector=live["selector"])
    generated = live["template"].get("metadata", {}).get("labels", {})
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for name in ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name",
                 "controller-uid", "job-name"):  # fmt: skip
        if name in generated:
            labels.setdefault(name, generated[name])


def _cron_job(obj: Json, _live: Json | None) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, concurrencyPolicy="Allow", suspend=False)
    _set(spec, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)


def _service(obj: Json, live: Json | None) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    _set(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    for port in spec.get("ports", []):
        _set(port, protocol="TCP")
        _set(port, targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        known = (live or {}).get("spec", {}).get("clusterIP")
        _set(spec, clusterIP=known or _address(obj))
        _set(spec, clusterIPs=[spec["clusterIP"]])


def _address(obj: Json) -> str:
    meta = obj["metadata"]
    number = hash((meta.get("namespace"), meta.get("name"))) % (250 * 250)
    return f"10.43.{number // 250 + 1}.{number % 250 + 2}"


def _secret(obj: Json, _live: Json | None) -> None:
    _set(obj, type="Opaque")
    texts = obj.pop("stringData", None) or {}
    if texts:
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in texts.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _namespace(obj: Json, _live: Json | None) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    _set(obj.setdefault("spec", {}), finalizers=["kubernetes"])
    obj.setdefault("status", {"phase": "Active"})


def _network_policy(obj: Json, _live: Json | None) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, podSelector={})
    _set(spec, policyTypes=["Ingress"] + (["Egress"] if spec.get("egress") else []))
    for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
        for port in rule.get("ports", []):
            _set(port, protocol="TCP")


def _autoscaler(obj: Json, _live: Json | None) -> None:
    _set(obj.setdefault("spec", {}), minReplicas=1)


def _pod_object(obj: Json, live: Json | None) -> None:
    spec = obj["spec"]
    _set(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    if "serviceAccountName" not in spec:
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    if live is None:
        obj["status"] = {"phase": "Pending", "qosClass": _quality(spec)}
        seconds = 300
        spec["tolerations"] = [
            *spec.get("tolerations", []),
            *(
                {"key": f"node.kubernetes.io/{state}", "operator": "Exists",
                 "effect": "NoExecute", "tolerationSeconds": seconds}
                for state in ("not-ready", "unreachable")
                if not any(
                    t.get("key") == f"node.kubernetes.io/{state}"
                    for t in spec.get("tolerations", [])
                )
            ),
        ]  # fmt: skip
    else:
        for name in ("nodeName", "tolerations"):
            if name in live["spec"]:
                spec.setdefault(name, live["spec"][name])


def _quality(spec: Json) -> str:
    resources = [each.get("resources") or {} for each in containers(spec)]
    if not any(resources):
        return "BestEffort"
    same = all(
        {"cpu", "memory"} <= set(each.get("limits", {})) and each["limits"] == each.get("requests")
        for each in resources
    )
    return "Guaranteed" if same else "Burstable"


def _role_binding(obj: Json, _live: Json | None) -> None:
    for subject in obj.get("subjects", []):
        if subject.get("kind") in ("User", "Group"):
            _set(subject, apiGroup="rbac.authorization.k8s.io")
    _set(obj.setdefault("roleRef", {}), apiGroup="rbac.authorization.k8s.io")


_DEFAULTS: dict[str, Callable[[Json, Json | None], None]] = {
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "Job": _job,
    "CronJob": _cron_job,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
    "NetworkPolicy": _network_policy,
    "HorizontalPodAutoscaler": _autoscaler,
    "Pod": _pod_object,
    "RoleBinding": _role_binding,
    "ClusterRoleBinding": _role_binding,
}
