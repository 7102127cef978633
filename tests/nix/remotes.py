"""Other people's stores and caches, started for a test on free ports of loopback."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


# --- S3 ---------------------------------------------------------------------------
@dataclass(frozen=True)
class S3:
    """An S3 server that checks signatures, with one bucket and one user who may use it."""

    port: int
    bucket: str
    access_key: str
    secret_key: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}?endpoint=127.0.0.1:{self.port}&scheme=http"

    def client(self, service: str = "s3", keys: tuple[str, str] | None = None) -> Any:
        import boto3
        from botocore.config import Config

        access, secret = keys or (self.access_key, self.secret_key)
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            config=Config(s3={"addressing_style": "path"}),
        )

    def keys(self) -> list[str]:
        """The names of all objects."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def authenticate(self, on: bool) -> None:
        """Whether requests without a good signature are refused."""
        requests_before = b"0" if on else b"inf"
        self._control("reset-auth", requests_before)

    def publish(self) -> None:
        """Let everybody read the bucket over HTTP."""
        objects = f"arn:aws:s3:::{self.bucket}/*"
        allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.client().put_bucket_policy(Bucket=self.bucket, Policy=policy)
        self.authenticate(False)

    def empty(self) -> None:
        client = self.client()
        for key in self.keys():
            client.delete_object(Bucket=self.bucket, Key=key)

    def _control(self, what: str, body: bytes) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/moto-api/{what}",
            data=body,
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        urllib.request.urlopen(request).read()


@contextmanager
def s3_server() -> Iterator[S3]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        setup = S3(port, "builds", "", "")
        iam = setup.client("iam", ("set", "up"))
        iam.create_user(UserName="panel")
        made = iam.create_access_key(UserName="panel")["AccessKey"]
        allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_user_policy(UserName="panel", PolicyName="all", PolicyDocument=policy)
        setup.client(keys=("set", "up")).create_bucket(Bucket=setup.bucket)
        found = S3(port, setup.bucket, made["AccessKeyId"], made["SecretAccessKey"])
        found.authenticate(True)
        yield found
    finally:
        server.stop()


# --- SSH --------------------------------------------------------------------------
@dataclass(frozen=True)
class SshHost:
    """A host whose shell is a Nix store: `query` goes into its URL, `options` into NIX_SSHOPTS."""

    query: str
    options: str
    commands: Path

    def url(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1?{self.query}"


@contextmanager
def ssh_host(folder: Path, environment: dict[str, str]) -> Iterator[SshHost]:
    """sshd with keys of its own; what is asked of it runs in `environment` and is written down."""
    import base64

    assert SSHD is not None
    folder.mkdir()
    for name in ("host", "client"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(argv, check=True)
    commands, forced = folder / "commands", folder / "forced"
    exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in environment.items())
    forced.write_text(
        f'#!/bin/sh\n{exports}printf "%s\\n" "$SSH_ORIGINAL_COMMAND" >> {commands}\n'
        'exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    forced.chmod(0o755)
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/client.pub\nStrictModes no\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nForceCommand {forced}\n"
    )
    if os.geteuid() == 0:  # its child without rights wants it, and Debian's unit makes it
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        host_key = base64.b64encode((folder / "host.pub").read_bytes().strip()).decode()
        query = f"ssh-key={folder}/client&base64-ssh-public-host-key={host_key}"
        yield SshHost(query, f"-p {port}", commands)
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


# --- HTTP -------------------------------------------------------------------------
@contextmanager
def web_folder(folder: Path) -> Iterator[str]:
    """A web server whose files may be put; its URL."""
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def do_PUT(self) -> None:
            path = folder / self.path.strip("/")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
