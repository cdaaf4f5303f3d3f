"""What each part of the real server keeps closed by itself, whoever gets past the others."""

from __future__ import annotations

import ipaddress
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests
from botocore.exceptions import ClientError

from pawl.server import database, store
from pawl.server.folder import Folder, Passwords
from tests.server.stack import processes_below
from tests.server.world import World

_LISTENS = "0A"


def listening(pids: set[int]) -> Iterator[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Address and port of every TCP socket that the processes listen on, as the kernel has it."""
    links = [link for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir()]
    held = {str(link.readlink()) for link in links if link.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTENS and f"socket:[{inode}]" in held:
                address, _, port = local.partition(":")
                words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
                raw = b"".join(socket.htonl(word).to_bytes(4, "big") for word in words)
                yield ipaddress.ip_address(raw), int(port, 16)


def test_everything_listens_for_this_machine_alone(world: World) -> None:
    running = world.stack.running
    found = [place for part in running.running.values() for place in listening(processes_below(part.process.pid))]
    ports = running.standing
    assert {ports.database_port, ports.store_port, ports.tracking_port} <= {port for _, port in found}
    strangers = [(str(address), port) for address, port in found if not _is_loopback(address)]
    assert strangers == []


def _is_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def test_the_database_lets_nobody_in_without_a_password(world: World) -> None:
    running = world.stack.running
    port = running.standing.database_port
    database.connect(port, running.passwords).close()
    for wrong in ("", "password1234", running.passwords.tracking):
        with pytest.raises(psycopg2.OperationalError):
            database.connect(port, running.passwords.model_copy(update={"superuser": wrong}))


def test_runs_and_users_have_an_account_of_the_database_each(world: World) -> None:
    running = world.stack.running
    port, passwords = running.standing.database_port, running.passwords
    for uri, own, other in (
        (database.tracking_uri(port, passwords), "runs", "mlflow_auth.users"),
        (database.auth_uri(port, passwords), "users", "mlflow.runs"),
    ):
        with closing(psycopg2.connect(uri.replace("+psycopg2", ""))) as opened:
            opened.autocommit = True
            cursor = opened.cursor()
            cursor.execute(f"SELECT count(*) FROM {own}")
            for statement in (f"SELECT count(*) FROM {other}", "CREATE TABLE public.mine (a int)"):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)


def test_the_store_answers_to_its_two_keys_alone(world: World) -> None:
    running = world.stack.running
    place = f"http://127.0.0.1:{running.standing.store_port}/{store.BUCKET}"
    assert requests.get(f"{place}/{world.path}", timeout=60).status_code == 403
    assert requests.get(place, timeout=60).status_code == 403
    assert requests.put(f"{place}/evil", data=b"evil", timeout=60).status_code == 403
    mlflows = _client(world, store.READER_WRITER, running.passwords.store)
    mlflows.put_object(Bucket=store.BUCKET, Key="probe", Body=b"x")
    mlflows.delete_object(Bucket=store.BUCKET, Key="probe")
    refused = [
        lambda: mlflows.create_bucket(Bucket="another"),
        lambda: _client(world, store.READER_WRITER, "wrong").list_objects_v2(Bucket=store.BUCKET),
        lambda: _client(world, store.OWNER, running.passwords.store).list_objects_v2(Bucket=store.BUCKET),
    ]
    for act in refused:
        with pytest.raises(ClientError, match=r"AccessDenied|SignatureDoesNotMatch"):
            act()


def _client(world: World, name: str, secret: str) -> Any:
    import boto3

    place = f"http://127.0.0.1:{world.stack.running.standing.store_port}"
    session = boto3.session.Session(aws_access_key_id=name, aws_secret_access_key=secret, region_name=store.REGION)
    return session.client("s3", endpoint_url=place)


def test_mlflow_runs_no_jobs(world: World) -> None:
    """They would run what somebody sends, as who holds the passwords of the database and the store."""
    for pid in processes_below(world.stack.running.running["tracking"].process.pid):
        told = dict(line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in line)
        assert told["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false", Path(f"/proc/{pid}/cmdline").read_text()


def test_what_holds_a_password_is_closed_and_no_log_does(world: World) -> None:
    folder = world.stack.running.folder
    passwords = folder.passwords().model_dump()
    secrets = [*passwords.pop("users").values(), *passwords.values()]
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o711
    for place in (folder.database, folder.store, folder.tracking, folder.logs):
        assert place.stat().st_mode & 0o077 == 0, place
    assert not list(folder.path.glob("*.password"))
    telling = set()
    for file in folder.path.rglob("*"):
        inside = file.relative_to(folder.path)
        if file.is_file() and inside.parts[0] != "database" and inside.parts[:2] != ("store", "data"):
            content = file.read_bytes()
            if any(secret.encode() in content for secret in secrets):
                telling.add(str(inside))
                assert file.stat().st_mode & 0o077 == 0, inside
    assert telling == {"passwords.json", "store/s3.json", "tracking/basic_auth.ini"}


def test_no_password_is_like_another(tmp_path: Path) -> None:
    found: list[str] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        dumped = Folder(tmp_path / name).passwords().model_dump()
        assert set(dumped) == set(Passwords.model_fields)
        found += [*dumped.pop("users").values(), *dumped.values()]
    assert len(set(found)) == len(found) == 14
    assert all(len(password) >= 32 for password in found)
