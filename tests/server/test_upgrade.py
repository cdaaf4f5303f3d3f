"""`python -m pawl.server upgrade` on a database as the first MLflow made them. 90 s: the store takes long to stop."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pawl.server import database
from pawl.server.folder import Folder, Passwords
from pawl.server.processes import free_ports
from tests.server.stack import server_folder


@contextmanager
def database_of(path: Path) -> Iterator[tuple[int, Passwords]]:
    """The database of a server's folder, without the rest: its port, and the passwords."""
    folder = Folder(path)
    folder.make()
    passwords, [port] = folder.passwords(), free_ports(1)
    running = database.start_database(database.find_postgresql(folder.database), folder, passwords, port)
    try:
        yield port, passwords
    finally:
        running.stop()


@pytest.fixture(scope="module")
def old() -> Iterator[Path]:
    """A server's folder with one run in tables that the installed MLflow does not take."""
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine, text

    with server_folder() as folder:
        with database_of(folder) as (port, passwords):
            engine = create_engine(database.tracking_uri(port, passwords))
            Base.metadata.create_all(engine)
            with engine.begin() as opened:
                opened.execute(text("INSERT INTO experiments VALUES (1, 'kept', 's3://mlflow/1', 'active')"))
                opened.execute(
                    text("INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage) VALUES ('a', 1, 'active')")
                )
            engine.dispose()
        yield folder


def upgrade(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl.server", "--folder", str(folder), "upgrade"]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240)


def asked(folder: Path, *statements: str) -> list[Any]:
    """What the database says to each statement, as its own account."""
    with (
        database_of(folder) as (port, passwords),
        closing(database.connect(port, passwords)) as opened,
        opened,
        opened.cursor() as cursor,
    ):
        found = []
        for statement in statements:
            cursor.execute(statement)
            found.append(cursor.fetchall() if cursor.description else None)
        return found


def test_it_brings_an_old_database_up_to_date_and_keeps_what_is_in_it(old: Path) -> None:
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    done = upgrade(old)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "The database is as the installed MLflow wants it.\n"
    heads = ScriptDirectory.from_config(_get_alembic_config("sqlite://")).get_heads()
    version, runs, elsewhere = asked(
        old,
        "SELECT version_num FROM mlflow.alembic_version",
        "SELECT run_uuid, experiments.name FROM mlflow.runs JOIN mlflow.experiments USING (experiment_id)",
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    )
    assert ([(head,) for head in heads], [("a", "kept")], [(0,)]) == (version, runs, elsewhere)

    asked(old, "UPDATE mlflow.alembic_version SET version_num = 'ffffffffffff'")
    failed = upgrade(old)
    assert failed.returncode == 4
    assert failed.stderr.startswith("error: MLflow's upgrade ended with 1; its log is ")
    assert "ffffffffffff" in failed.stderr


def test_it_upgrades_nothing_that_is_not_there_and_nothing_that_runs(tmp_path: Path, old: Path) -> None:
    refused = upgrade(tmp_path / "none")
    assert (refused.returncode, "holds no server" in refused.stderr) == (2, True), refused.stderr
    assert not (tmp_path / "none").exists()
    with Folder(old).held():
        refused = upgrade(old)
    assert (refused.returncode, "already: stop it" in refused.stderr) == (2, True), refused.stderr
