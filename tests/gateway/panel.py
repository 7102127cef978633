"""The panel's half of the internal calls, in memory, with deploys a test can steer."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from paas.instance import Instance

INTERNAL_TOKEN = "internal-0123456789"
ALICE, VIEWER, STRANGER = "alice", "viewer", "stranger"
TOKENS = {ALICE: "token-of-alice", VIEWER: "token-of-a-viewer"}


@dataclass
class App:
    """One app and what was done to it."""

    name: str
    repository: Path
    deploy_branch: str = "main"
    result: str = "succeeded"
    output: tuple[str, ...] = ("-----> Python app detected",)
    automatic: bool = True  # the build runs as soon as it is started
    notices: tuple[str, ...] = ()
    busy: bool = False
    release: int = 0
    live: str = ""
    builds: list[Build] = field(default_factory=list)


@dataclass
class Build:
    app: App
    id: str
    commit: str
    message: str
    archive: Path
    log: Path
    started: bool = False
    abandoned: str | None = None
    delivered: bool | None = None

    def write(self, *lines: str) -> None:
        with self.log.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def finish(self, state: str | None = None) -> None:
        state = state or self.app.result
        record: dict[str, object] = {"state": state, "release": None, "url": None}
        if state == "succeeded":
            self.app.release += 1
            self.app.live = self.commit
            record |= {"release": f"v{self.app.release}", "url": "http://app.test/"}
            self.write(f"       Released v{self.app.release}")
        else:
            self.write(" !     Push rejected, failed to compile Python app.")
        self.app.busy = False
        with self.log.open("a") as file:
            file.write("\0" + json.dumps(record) + "\n")


class FakePanel:
    """Answers on the instance's web socket, from a thread."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.apps: dict[str, App] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.keys: dict[str, str] = {}  # fingerprint → who

    def create(self, **options: Any) -> App:
        name = f"app-{uuid.uuid4().hex[:12]}"
        repository = self.instance.repositories / f"{uuid.uuid4()}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", repository], check=True)
        self.apps[name] = App(name, repository, **options)
        return self.apps[name]

    def build(self, build_id: str) -> Build:
        return next(b for app in self.apps.values() for b in app.builds if b.id == build_id)

    # --- the server -------------------------------------------------------
    def start(self) -> None:
        config = uvicorn.Config(
            self._asgi,
            uds=str(self.instance.web_socket),
            interface="asgi3",
            lifespan="off",
            log_level="warning",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _asgi(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = dict(scope["headers"])
        assert headers[b"authorization"] == f"Bearer {INTERNAL_TOKEN}".encode()
        path = scope["path"].removeprefix("/internal/git/")
        status, answer = self._answer(path, json.loads(body))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append((path, body))
        if path == "keys":
            who = self._who(body)
            return (200, {"user": f"{who}@example.com"}) if who else (401, {"message": "Unknown."})
        if path == "access":
            return self._access(body)
        if path == "pushes":
            return self._push(body)
        _, build_id, verb = path.split("/")
        verbs = {"start": self._start, "abandon": self._abandon, "end": self._end}
        return verbs[verb](self.build(build_id), body)

    def _access(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        who = self._who(body)
        if who is None:
            return 401, {"id": "unauthorized", "message": "This token is not valid."}
        if body["app"] not in self.apps:
            return 404, {"id": "not_found", "message": "Couldn't find that app."}
        if who == VIEWER and body["service"] == "git-receive-pack":
            return 403, {"id": "forbidden", "message": "You may look at this app, not push to it."}
        app = self.apps[body["app"]]
        return 200, {
            "app_id": app.name,
            "app": app.name,
            "user_id": 1,
            "user": "alice",
            "repository": str(app.repository),
            "deploy_branch": app.deploy_branch,
        }

    def _who(self, body: dict[str, Any]) -> str | None:
        if "fingerprint" in body:
            return self.keys.get(body["fingerprint"])
        return next((who for who, token in TOKENS.items() if token == body["token"]), None)

    def _push(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        app = self.apps[body["app_id"]]
        if app.busy:
            return 409, {"id": "conflict", "message": "Another push is being deployed."}
        if body["commit"] == app.live:
            live = {"live": f"v{app.release}", "url": "http://app.test/"}
            return 200, {**live, "notices": app.notices}
        build_id = str(uuid.uuid4())
        archive = self.instance.sources / f"{build_id}.tar"
        log = self.instance.build_logs / f"{build_id}.log"
        app.builds.append(Build(app, build_id, body["commit"], body["message"], archive, log))
        app.busy = True
        return 201, {"build_id": build_id, "archive": str(archive), "notices": app.notices}

    def _start(self, build: Build, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert build.archive.is_file()
        build.write(*build.app.output)
        build.started = True  # from here on a test may write, too
        if build.app.automatic:
            build.finish()
        return 202, {}

    def _abandon(self, build: Build, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        build.abandoned = body["reason"]
        build.app.busy = False
        return 200, {}

    def _end(self, build: Build, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        build.delivered = body["delivered"]
        return 200, {}
