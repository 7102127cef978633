"""What answers for an app in maintenance: our page with 503, from a small pod beside the app.

Its image is the app's own, which the nodes have already: every build of ours
brings `nc` along. So it needs no other image, no way to the panel and no
rights that a deploy does not need. An image without `nc` has a pod that never
becomes ready, and the ingress controller's own 503.
"""

from __future__ import annotations

from paas.runtimes.kubernetes import pods
from paas.runtimes.kubernetes.names import APP, CLOSED, PART, Object
from paas.runtimes.kubernetes.objects import head, made
from paas.runtimes.kubernetes.settings import ClusterSettings
from paas.runtimes.pages import MAINTENANCE

_ANSWER = r"""
kind=text/plain body=$PLAIN
while IFS= read -r line; do
  line=${line%$(printf '\r')}
  case $line in
    '') break ;;
    [Aa][Cc][Cc][Ee][Pp][Tt]:*text/html*) kind=text/html body=$HTML ;;
  esac
done
length=$(printf %s "$body" | wc -c)
printf 'HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s; charset=utf-8\r\n' "$kind"
printf 'Cache-Control: no-store\r\nRetry-After: 60\r\nContent-Length: %d\r\n' "$length"
printf 'Connection: close\r\n\r\n%s' "$body"
exec timeout 5 cat >/dev/null
"""
"""Answers one request. What is left of its body is read: else the answer would be lost with it."""
_SERVE = 'exec nc -ll -p "$PORT" -e /bin/sh -c "$ANSWER"'
COMMAND = ("/bin/sh", "-c", _SERVE)
_STOP_SECONDS = 5


def environment(port: int) -> dict[str, str]:
    """What `COMMAND` needs to answer at `port`."""
    page = {"HTML": MAINTENANCE.html, "PLAIN": MAINTENANCE.plain}
    return {"ANSWER": _ANSWER, **page, "PORT": str(port)}


def page(settings: ClusterSettings, image: str) -> Object:
    """The spec of the pod; it knows nothing of the app's environment."""
    values = environment(pods.PORT)
    container = {
        "name": CLOSED,
        "image": image,
        "command": list(COMMAND),
        "env": [{"name": name, "value": value} for name, value in sorted(values.items())],
        "ports": [{"name": "http", "containerPort": pods.PORT}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 5},
        "resources": {
            "requests": {"cpu": "5m", "memory": "8Mi"},
            "limits": {"memory": "32Mi"},
        },
    }
    return pods.confined(settings, container, _STOP_SECONDS)


def _labels(app_id: str) -> dict[str, str]:
    """What the Service finds the pod by."""
    return {APP: app_id, PART: CLOSED}


def objects(namespace: str, app_id: str, pod: Object | None) -> list[Object]:
    """The Service that hosts lead to in maintenance, and behind it the pod of that spec."""
    service = {
        **head("v1", "Service", namespace, CLOSED, app_id),
        "spec": {
            "selector": _labels(app_id),
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }
    if pod is None:
        return [made(service)]
    deployment = head("apps/v1", "Deployment", namespace, CLOSED, app_id)
    deployment["metadata"]["labels"] |= _labels(app_id)
    template = {"metadata": {"labels": deployment["metadata"]["labels"]}, "spec": pod}
    body = {"selector": {"matchLabels": _labels(app_id)}, "template": template}
    return [made(service), made({**deployment, "spec": {"revisionHistoryLimit": 0, **body}})]
