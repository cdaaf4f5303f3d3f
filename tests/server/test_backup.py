"""That a backup of the real server keeps all of it, and that no half of one is restored. Two starts: 60 to 120 s."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from pawl.errors import InputError, ServiceError
from pawl.server.backup import back_up, restore
from pawl.server.folder import Folder
from tests.server.stack import Credentials, Stack, server_folder
from tests.server.world import ARTIFACT, World, ask, new_run, put_artifact


def test_a_backup_while_runs_are_made_brings_everything_back(world: World, tmp_path: Path) -> None:
    """Runs that began after the database was seen are absent with their artifacts; all others are whole."""
    stack, file = world.stack, tmp_path / "backup.tar"
    enough, done = threading.Event(), []

    def work() -> None:
        while not enough.is_set():
            run = new_run(stack, stack.main, world.main)
            path = run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/a.bin"
            assert put_artifact(stack, stack.main, path, b"a" * 1000) == 200
            done.append(run["run_id"])

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while len(done) < 3:
            assert worker.is_alive()
            time.sleep(0.05)
        ended = set(done)
        contents = back_up(stack.folder, file)
    finally:
        enough.set()
        worker.join()
    assert len(done) > len(ended), "nothing was made meanwhile"
    assert contents.runs >= 2
    assert file.stat().st_mode & 0o077 == 0
    held = file.read_bytes()
    for secret in stack.running.folder.passwords().users.values():
        assert secret.encode() not in held

    with server_folder() as folder:
        restore(file, folder)
        with pytest.raises(InputError, match="holds a server already"):
            restore(file, folder)
        shutil.copy(stack.folder / "passwords.json", tmp_path / "of-before.json")
        before = json.loads((tmp_path / "of-before.json").read_text())["users"]
        from pawl.server.stack import stack_in

        with stack_in(folder, workers=1) as running:
            new_admin = running.folder.passwords().users["admin"]
            assert new_admin != before["admin"]
            restored = Stack(
                running.uri,
                Credentials("admin", new_admin),
                Credentials("main", before["main"]),
                Credentials("pull-requests", before["pull-requests"]),
                folder,
                running,
            )
            assert ask(restored, restored.admin, "GET", "2.0/mlflow/users/list", {}).status_code == 200
            alias = {"name": "ct-digits", "alias": "champion"}
            version = ask(restored, restored.main, "GET", "2.0/mlflow/registered-models/alias", alias).json()
            assert version["model_version"]["run_id"] == world.run
            assert {"key": "a", "value": "b"} in version["model_version"]["tags"]
            runs = _all_runs(restored, [world.main, world.branches])
            assert world.run in runs
            assert contents.runs >= len(runs)
            url = f"{restored.uri}/api/2.0/mlflow-artifacts/artifacts/{world.path}"
            assert requests.get(url, auth=restored.pull_requests.pair, timeout=60).content == ARTIFACT
            assert put_artifact(restored, restored.pull_requests, world.path, b"evil") == 403
            new_run(restored, restored.main, world.main)
    keys = [name.split("/") for name in contents.files if "/artifacts/" in name]
    with_artifacts = {parts[parts.index("artifacts") - 1] for parts in keys}
    assert {*ended, world.run} <= with_artifacts <= set(runs)


def _all_runs(stack: Stack, experiments: list[str]) -> list[str]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        values = {"experiment_ids": experiments, "max_results": 1000, "page_token": token}
        page = ask(stack, stack.admin, "POST", "2.0/mlflow/runs/search", values).json()
        found += page.get("runs", [])
        token = page.get("next_page_token", "")
        if not token:
            return [run["info"]["run_id"] for run in found]


def test_a_dump_that_postgresql_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    """As whole as a backup is, and not one of PostgreSQL's."""
    from pawl.server import archive

    file = tmp_path / "backup.tar"
    with archive.writing(file) as (writer, finish):
        writer.add(archive.DUMP, 4, io.BytesIO(b"dump"))
        finish(archive.Contents(version=1, postgresql=15, runs=0, models=0, users=0, files=writer.files))
    with server_folder() as folder:
        with pytest.raises(ServiceError, match="pg_restore ends with 1"):
            restore(file, folder)
        assert not Folder(folder).holds_data


@pytest.mark.parametrize("harm", ["short", "byte", "added", "link", "empty", "absent"])
def test_no_half_of_a_backup_is_restored(tmp_path: Path, harm: str) -> None:
    from pawl.server import archive

    file, target = tmp_path / "backup.tar", tmp_path / "server"
    with archive.writing(file) as (writer, finish):
        for name, content in ((archive.DUMP, b"dump"), (archive.OBJECTS + "1/x", b"weights" * 200)):
            writer.add(name, len(content), io.BytesIO(content))
        finish(archive.Contents(version=1, postgresql=15, runs=0, models=0, users=0, files=writer.files))
    assert archive.read_contents(file).files.keys() == {archive.DUMP, archive.OBJECTS + "1/x"}
    whole = file.read_bytes()
    if harm == "short":
        file.write_bytes(whole[:2000])
    elif harm == "byte":
        file.write_bytes(whole.replace(b"weights", b"weightz", 1))
    elif harm in ("added", "link"):
        with tarfile.open(file, "a") as tar:
            header = tarfile.TarInfo("objects/2")
            if harm == "link":
                header.type, header.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(header, io.BytesIO())
    elif harm == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    with pytest.raises(InputError, match=r"backup"):
        restore(file, target)
    assert not target.exists()
