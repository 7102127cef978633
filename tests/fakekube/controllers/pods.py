"""One pod's life: pulling, starting, probing, crashing, ending."""

from __future__ import annotations

import asyncio
import base64
import signal
import tempfile
from typing import TYPE_CHECKING, Any

from .. import processes
from ..clock import stamp
from ..errors import Json
from ..faults import MOUNT, PULL_NOT_FOUND, PodFault
from ..kinds import named
from ..processes import Idle, Process
from ..verbs import Call, Deletion
from .base import POD, condition, key_of, with_condition

if TYPE_CHECKING:
    from .kubelet import Kubelet

PULL_SECONDS, START_SECONDS = 0.1, 0.05
RETRY_SECONDS = 10.0
MAX_BACKOFF = 300.0
_FATAL = {
    "invalid-image": ("InvalidImageName", 'Failed to apply default image tag "{image}": couldn\'t'
                      ' parse image name "{image}": invalid reference format'),
    "never-present": ("ErrImageNeverPull", 'Container image "{image}" is not present with pull'
                      " policy of Never"),
    "create": ("CreateContainerError", MOUNT),
    "config": ("CreateContainerConfigError", "container has runAsNonRoot and image will run as"
               ' root (pod: "{pod}", container: {container})'),
}  # fmt: skip


class Missing(Exception):
    """A Secret or ConfigMap that a container refers to is not there."""


class Life:
    """Runs a bound pod; `containers` are their statuses, `processes` what runs in them."""

    def __init__(self, kubelet: Kubelet, pod: Json) -> None:
        self.kubelet, self.cluster, self.pod = kubelet, kubelet.cluster, pod
        self.containers: dict[str, Json] = {}
        self.processes: dict[str, Process] = {}
        self.previous: dict[str, Process] = {}
        self._ip = kubelet.address()
        self._over: Json = {}
        self._ending = False
        self._initialized = not pod["spec"].get("initContainers")
        self._directory = ""
        for each in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            waiting = (
                "PodInitializing" if pod["spec"].get("initContainers") else ("ContainerCreating")
            )
            self.containers[each["name"]] = {
                "name": each["name"], "image": each["image"], "imageID": "", "ready": False,
                "started": False, "restartCount": 0, "lastState": {},
                "state": {"waiting": {"reason": waiting}},
            }  # fmt: skip
        self._endings: set[asyncio.Task[None]] = set()
        self.task = asyncio.ensure_future(self._guarded())

    # --- the whole --------------------------------------------------------
    async def _guarded(self) -> None:
        try:
            await self._run()
        except Exception:
            self.cluster.bug()

    async def _run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="fakekube-") as self._directory:
            await self._live()

    async def _live(self) -> None:
        spec = self.pod["spec"]
        self._started = stamp()
        self._publish()
        deadline = spec.get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(self._real(deadline) if deadline else None):
                done = await self._containers(spec)
        except TimeoutError:
            text = "Pod was active on the node longer than the specified deadline"
            await self._stop_all(spec["terminationGracePeriodSeconds"])
            self._over = {"phase": "Failed", "reason": "DeadlineExceeded", "message": text}
            self._publish()
            return
        if self._ending or done is None:
            return
        await self._sleep(1.0)  # the phase follows the containers by a second or two
        self._over = {"phase": "Succeeded" if done else "Failed"}
        self._publish()

    async def _containers(self, spec: Json) -> bool | None:
        """Whether all succeeded; None if the pod was ended."""
        for each in spec.get("initContainers", []):
            if not await self._container(each, spec["restartPolicy"], init=True):
                return False
        self._initialized = True
        for each in spec["containers"]:
            self.containers[each["name"]]["state"] = {"waiting": {"reason": "ContainerCreating"}}
        self._publish()
        results = await asyncio.gather(
            *(self._container(each, spec["restartPolicy"]) for each in spec["containers"])
        )
        return None if self._ending else all(results)

    async def _container(self, each: Json, policy: str, *, init: bool = False) -> bool:
        """Runs a container as often as the policy says; whether its last end was a success."""
        status, failures = self.containers[each["name"]], 0
        if init and policy == "Always":
            policy = "OnFailure"
        while not self._ending:
            await self._pull(each, status)
            code = await self._once(each, status, init=init)
            if policy == "Never" or (policy == "OnFailure" and not code) or self._ending:
                return not code
            if failures:
                await self._back_off(each, status, min(10.0 * 2 ** (failures - 1), MAX_BACKOFF))
            failures += 1
            status["restartCount"] += 1
        return False

    async def _back_off(self, each: Json, status: Json, seconds: float) -> None:
        namespace, name = key_of(self.pod)
        where = f"{name}_{namespace}({self.pod['metadata']['uid']})"
        text = f"back-off {int(seconds)}s restarting failed container={each['name']} pod={where}"
        self._event("Warning", "BackOff", text.replace("back-off", "Back-off", 1))
        if "terminated" in status["state"]:
            status["lastState"] = status["state"]
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
        self._publish()
        await self._sleep(seconds)

    # --- before the start -------------------------------------------------
    async def _pull(self, each: Json, status: Json) -> None:
        """Until the image is there and the container can be made."""
        first = True
        while True:
            fault = self._fault(each, "pull", *_FATAL)
            if fault is None or fault.kind in ("create", "config"):
                if first:
                    await self._sleep(PULL_SECONDS)
                    self._event("Normal", "Pulled", f'Container image "{each["image"]}" already'
                                " present on machine")  # fmt: skip
                first = False
            trouble = self._trouble(each, fault)
            if trouble is None:
                return
            await self._complain(each, status, *trouble)

    def _trouble(self, each: Json, fault: PodFault | None) -> tuple[str, str] | None:
        """(reason, message) of what keeps a container from being made."""
        if fault is None:
            try:
                self._environment(each)
            except Missing as error:
                return "CreateContainerConfigError", str(error)
            return None
        if fault.kind == "pull":
            text = fault.message or PULL_NOT_FOUND.format(image=each["image"])
            return "ErrImagePull", text
        reason, text = _FATAL[fault.kind]
        where = f"{key_of(self.pod)[1]}_{key_of(self.pod)[0]}"
        path = "/nix/store/00000000000000000000000000000000-app"
        known = {"image": each["image"], "pod": where, "container": each["name"], "path": path}
        return reason, fault.message or text.format(**known)

    async def _complain(self, each: Json, status: Json, reason: str, text: str) -> None:
        pulls = reason == "ErrImagePull"
        await self._sleep(PULL_SECONDS * 2)
        shown = f'Failed to pull image "{each["image"]}": {text}' if pulls else f"Error: {text}"
        self._event("Warning", "Failed", shown)
        status["state"] = {"waiting": {"reason": reason, "message": text}}
        self._publish()
        if pulls:
            await self._sleep(RETRY_SECONDS / 5)
            again = f'Back-off pulling image "{each["image"]}": ErrImagePull: {text}'
            status["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": again}}
            self._event("Normal", "BackOff", f'Back-off pulling image "{each["image"]}"')
            self._publish()
        await self._sleep(RETRY_SECONDS if pulls else RETRY_SECONDS / 5)

    def _environment(self, each: Json) -> dict[str, str]:
        """A container's variables.

        Raises:
            Missing: they come from what is not there.
        """
        found: dict[str, str] = {}
        for source in each.get("envFrom", []):
            for kind, name in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
                if name in source:
                    found |= self._data(kind, source[name])
        for variable in each.get("env", []):
            origin = variable.get("valueFrom") or {}
            if "value" in variable or not origin:
                found[variable["name"]] = variable.get("value", "")
            for kind, name in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
                if name in origin:
                    data = self._data(kind, origin[name])
                    found[variable["name"]] = data.get(origin[name]["key"], "")
            if "fieldRef" in origin:
                value: Any = self.pod
                for part in origin["fieldRef"]["fieldPath"].split("."):
                    value = value.get(part, "") if isinstance(value, dict) else ""
                found[variable["name"]] = str(value)
        return found

    def _data(self, kind: str, reference: Json) -> dict[str, str]:
        obj = self.kubelet.store.get(named(kind), key_of(self.pod)[0], reference["name"])
        if obj is None:
            if reference.get("optional"):
                return {}
            raise Missing(f'{kind.lower()} "{reference["name"]}" not found')
        data: dict[str, str] = obj.get("data") or {}
        if kind == "Secret":
            return {k: base64.b64decode(v).decode(errors="replace") for k, v in data.items()}
        return data

    # --- running ----------------------------------------------------------
    async def _once(self, each: Json, status: Json, *, init: bool) -> int:
        """One run of a container; its exit code."""
        await self._sleep(START_SECONDS)
        self._event("Normal", "Created", f"Created container: {each['name']}")
        fault = self._fault(each, "crash", "oom", "start", "stuck")
        if fault is not None and fault.times is not None and fault.kind != "stuck":
            fault.times -= 1
        try:
            process = await self._process(each, fault)
        except OSError:
            return self._not_started(each, status, fault)
        if each["name"] in self.processes:
            self.previous[each["name"]] = self.processes[each["name"]]
        self.processes[each["name"]] = process
        if "terminated" in status["state"]:
            status["lastState"] = status["state"]
        began = stamp()
        status |= {
            "state": {"running": {"startedAt": began}}, "imageID": f"sha256:{each['image']}",
            "containerID": f"fake://{self.pod['metadata']['uid']}/{status['restartCount']}",
            "started": not each.get("startupProbe"),
            "ready": not init and not each.get("readinessProbe") and not each.get("startupProbe"),
        }  # fmt: skip
        self._event("Normal", "Started", f"Started container {each['name']}")
        self._publish()
        probing = asyncio.ensure_future(self._probe(each, status, process, init=init))
        try:
            code = await asyncio.shield(process.exit)
        finally:
            probing.cancel()
        oom = fault is not None and fault.kind == "oom"
        self._terminated(each, status, process, code, began, oom=oom)
        return code

    async def _process(self, each: Json, fault: PodFault | None) -> Process:
        if fault is not None and fault.kind == "start":
            raise FileNotFoundError
        if fault is not None and fault.kind in ("crash", "oom"):
            code = 137 if fault.kind == "oom" else fault.exit_code
            return Idle(self._real(fault.after), code, fault.output)
        heeds = fault is None
        really = self.cluster.run == "all" or (
            self.cluster.run == "once" and self.pod["spec"]["restartPolicy"] != "Always"
        )
        command = [*(each.get("command") or self.cluster.entrypoint), *each.get("args", [])]
        if not really or not command:
            return Idle(heeds=heeds)
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self._directory,
               "HOSTNAME": key_of(self.pod)[1]}  # fmt: skip
        env |= self._environment(each)
        return await processes.start(
            [*self.cluster.node, *command], env, directory=self._directory,
            stdin=bool(each.get("stdin")), tty=bool(each.get("tty")),
        )  # fmt: skip

    def _not_started(self, each: Json, status: Json, fault: PodFault | None) -> int:
        command = (each.get("command") or each.get("args") or ["/no/such"])[0]
        text = (fault.message if fault else "") or (
            "failed to create containerd task: failed to create shim task: OCI runtime create"
            f' failed: runc create failed: unable to start container process: exec: "{command}":'
            f" stat {command}: no such file or directory"
        )
        self._event("Warning", "Failed", f"Error: {text}")
        moment = "1970-01-01T00:00:00Z"
        ended = {"terminated": {"exitCode": 128, "reason": "StartError", "message": text,
                                "startedAt": moment, "finishedAt": stamp()}}  # fmt: skip
        if self.pod["spec"]["restartPolicy"] == "Never":
            status["state"] = ended
        else:
            status["lastState"] = ended
            status["state"] = {"waiting": {"reason": "RunContainerError", "message": text}}
        self._publish()
        return 128

    def _terminated(
        self, each: Json, status: Json, process: Process, code: int, began: str, *, oom: bool
    ) -> None:
        reason = "OOMKilled" if oom else "Completed" if code == 0 else "Error"
        ended = {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": stamp(),
                 "containerID": status["containerID"]}  # fmt: skip
        if code and each.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            text = b"".join(line.text + b"\n" for line in process.lines[-80:])[-2048:]
            if text:
                ended["message"] = text.decode(errors="replace")
        status |= {"state": {"terminated": ended}, "ready": False, "started": False}
        self._publish()

    async def _probe(self, each: Json, status: Json, process: Process, *, init: bool) -> None:
        """Ready after the probes pass; killed where one is ordered to fail."""
        for name, kind in (("startupProbe", "startup"), ("livenessProbe", "liveness")):
            fault = self._fault(each, kind)
            probe = each.get(name)
            if fault is not None and probe:
                await self._sleep(probe.get("initialDelaySeconds", 0) + fault.after)
                await self._fail(each, process, probe, fault, kind)
                return
        status["started"] = True
        if init:
            return
        probe = each.get("readinessProbe")
        slow, never = self._fault(each, "slow"), self._fault(each, "unready")
        await self._sleep(slow.after if slow else 0.0)
        while never is not None and probe:
            text = never.message or "Readiness probe failed: HTTP probe failed with statuscode: 500"
            self._event("Warning", "Unhealthy", text)
            await self._sleep(probe["periodSeconds"])
            never = self._fault(each, "unready")
        if probe:
            await self._sleep(probe.get("initialDelaySeconds", 0) + 0.02)
            await process.settle()
        if process.exit.done():
            return
        status["ready"] = True
        self._publish()

    async def _fail(
        self, each: Json, process: Process, probe: Json, fault: PodFault, kind: str
    ) -> None:
        text = fault.message or "HTTP probe failed with statuscode: 500"
        for _ in range(probe["failureThreshold"]):
            self._event("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {text}")
            await self._sleep(probe["periodSeconds"])
        why = f"Container {each['name']} failed {kind} probe, will be restarted"
        self._event("Normal", "Killing", why)
        process.signal(signal.SIGTERM)
        await self._sleep(self.pod["spec"]["terminationGracePeriodSeconds"])
        process.signal(signal.SIGKILL)

    # --- the end ----------------------------------------------------------
    def end(self, grace: float) -> None:
        """Ends the pod with TERM, and KILL after the grace period; then it is gone."""
        if self._ending and grace:
            return
        self._ending = True
        ending = asyncio.ensure_future(self._end(grace))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _end(self, grace: float) -> None:
        await self._stop_all(grace)
        self.task.cancel()
        live = self.kubelet.store.get(POD, *key_of(self.pod))
        if live is not None and live["metadata"]["uid"] == self.pod["metadata"]["uid"]:
            self.kubelet.verbs.delete(POD, *key_of(self.pod), Deletion(grace=0), Call())

    async def _stop_all(self, grace: float) -> None:
        for each in self.pod["spec"]["containers"]:
            if "running" in self.containers[each["name"]]["state"]:
                self._event("Normal", "Killing", f"Stopping container {each['name']}")
        await asyncio.gather(*(self._stop(each, grace) for each in self.pod["spec"]["containers"]))

    async def _stop(self, each: Json, grace: float) -> None:
        process = self.processes.get(each["name"])
        if process is None or process.exit.done():
            return
        pause = ((each.get("lifecycle") or {}).get("preStop") or {}).get("sleep") or {}
        before = min(float(pause.get("seconds", 0)), grace)
        await self._sleep(before)
        process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._real(max(grace - before, 0.0))):
                await asyncio.shield(process.exit)
        except TimeoutError:
            process.signal(signal.SIGKILL)
            await asyncio.shield(process.exit)

    def kill(self) -> None:
        """The pod has gone without ceremony."""
        for process in self.processes.values():
            if not process.exit.done():
                process.signal(signal.SIGKILL)
        self._ending = True
        self.task.cancel()

    # --- helpers ----------------------------------------------------------
    def _fault(self, each: Json, *kinds: str) -> PodFault | None:
        return self.cluster.faults.for_container(self.pod, each, *kinds)

    def _real(self, seconds: float) -> float:
        return self.cluster.clock.real(seconds)

    async def _sleep(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(self._real(seconds))

    def _event(self, word: str, reason: str, text: str) -> None:
        self.cluster.event(POD, self.pod, word, reason, text)

    def _publish(self) -> None:
        """Writes the pod's status from what its containers do."""
        live = self.kubelet.store.get(POD, *key_of(self.pod))
        if live is None or live["metadata"]["uid"] != self.pod["metadata"]["uid"]:
            return
        rows = {name: {**row} for name, row in self.containers.items()}
        inits = [rows[each["name"]] for each in self.pod["spec"].get("initContainers", [])]
        mains = [rows[each["name"]] for each in self.pod["spec"]["containers"]]
        begun = self._initialized and any("waiting" not in row["state"] for row in mains)
        restarted = any(row["restartCount"] or row["lastState"] for row in mains)
        phase = "Running" if begun or restarted else "Pending"
        ready = all(row["ready"] for row in mains) and not self._over
        conditions = live["status"].get("conditions", [])
        for name, is_so in (
            ("PodReadyToStartContainers", True), ("Initialized", self._initialized),
            ("Ready", ready), ("ContainersReady", ready),
        ):  # fmt: skip
            names = [row["name"] for row in mains if not row["ready"]]
            why = (
                ("", "")
                if is_so
                else ("ContainersNotReady", f"containers with unready status: [{' '.join(names)}]")
            )
            if self._over.get("phase") == "Succeeded" and not is_so:
                why = ("PodCompleted", "")
            conditions = with_condition(conditions, condition(name, is_so, *why))
        status = {**live["status"], "phase": phase, "conditions": conditions, "hostIP": "10.0.0.1",
                  "podIP": self._ip, "podIPs": [{"ip": self._ip}], "startTime": self._started,
                  "containerStatuses": mains, **self._over}  # fmt: skip
        if inits:
            status["initContainerStatuses"] = inits
        self.kubelet.verbs.set_status(POD, self.pod, status)
