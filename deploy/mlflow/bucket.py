"""The bucket of artifacts: `make` it, `save` all of it as a tar to standard output, `load` one from standard input.

Run in the container, where boto3 finds the store by its variables: `docker compose run --rm -T bucket save > FILE`.
"""

from __future__ import annotations

import os
import sys
import tarfile
from typing import Any

BUCKET = "mlflow"


def store() -> Any:
    """boto3's client of the store."""
    import boto3

    return boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])


def make() -> None:
    """Make the bucket where there is none."""
    client = store()
    if BUCKET not in (bucket["Name"] for bucket in client.list_buckets()["Buckets"]):
        client.create_bucket(Bucket=BUCKET)


def save() -> None:
    """Every artifact, under its key; those that vanish meanwhile are left out."""
    client = store()
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for listed in page.get("Contents", []):
                try:
                    got = client.get_object(Bucket=BUCKET, Key=listed["Key"])
                except client.exceptions.NoSuchKey:
                    continue
                header = tarfile.TarInfo(listed["Key"])
                header.size = got["ContentLength"]
                tar.addfile(header, got["Body"])


def load() -> None:
    """Put every file of the tar back under its key."""
    client = store()
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None:
                client.put_object(Bucket=BUCKET, Key=member.name, Body=stream.read())


if __name__ == "__main__":
    commands = {"make": make, "save": save, "load": load}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"{sys.argv[0]} make | save | load")
    commands[sys.argv[1]]()
