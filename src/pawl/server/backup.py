"""Everything of a server in one file, and back.

What holds for a backup that is taken while runs go on: the database is seen at one moment, users and their rights too.
The artifacts are read after that moment, and those of runs that it does not know are left out. So a run that had ended
before is whole, one that began later is absent, and one that was going on is as far as it was then, with the artifacts
that it had, or has got since. See https://www.postgresql.org/docs/current/app-pgdump.html, --snapshot.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pawl.errors import InputError
from pawl.server import archive, store
from pawl.server.archive import Contents
from pawl.server.database import AUTH, TRACKING, PostgreSQL, connect, find_postgresql, run_program
from pawl.server.folder import ADMIN, Folder, Passwords, Standing
from pawl.server.stack import stack_in

_ID = re.compile(r"(?:^|/)((?:m-)?[0-9a-f]{32})/")
"""A run's or a logged model's, as a part of the key of its artifacts."""


def back_up(folder_path: Path, file: Path) -> Contents:
    """Write the backup of the server in a folder, which runs or not; what was written.

    It holds no passwords that can be read: MLflow keeps digests of them, and the folder's own file stays where it is.
    Raises InputError where the folder holds no server or the file cannot be written.
    """
    folder = Folder(folder_path)
    if not folder.holds_data:
        raise InputError(f"{folder.path} holds no server: name its folder by --folder.")
    with _data_of(folder) as (programs, passwords, standing), archive.writing(file.absolute()) as (writer, finish):
        with closing(connect(standing.database_port, passwords)) as opened, opened, opened.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
            with TemporaryDirectory(dir=folder.path) as scratch:
                dump = Path(scratch) / "dump"
                options = ("--format=custom", f"--snapshot={snapshot}", f"--file={dump}")
                run_program(programs, "pg_dump", standing.database_port, passwords, *options)
                with dump.open("rb") as stream:
                    writer.add(archive.DUMP, dump.stat().st_size, stream)

            def count(table: str) -> int:
                return len(_column(cursor, table, "1"))

            known = {*_column(cursor, f"{TRACKING}.runs", "run_uuid")}
            known |= {*_column(cursor, f"{TRACKING}.logged_models", "model_id")}
            counts = {
                "runs": count(f"{TRACKING}.runs"),
                "models": count(f"{TRACKING}.registered_models"),
                "users": count(f"{AUTH}.users"),
            }
        _add_objects(writer, standing.store_port, passwords, known)
        contents = Contents(version=1, postgresql=programs.version, files=writer.files, **counts)
        finish(contents)
    return contents


def restore(file: Path, folder_path: Path) -> Contents:
    """Make the server of a backup in a folder without data; what is there now.

    Every account keeps its password but admin's, which is the folder's: a new one where the folder is new. Raises
    InputError where the folder holds data or the file is no whole backup; the folder then is as it was.
    """
    folder = Folder(folder_path)
    if folder.holds_data:
        raise InputError(f"{folder.path} holds a server already: name an empty folder, or move its data away.")
    contents = archive.read_contents(file)
    try:
        with stack_in(folder.path, with_tracking=False) as stack:
            port, passwords = stack.standing.database_port, stack.passwords
            with TemporaryDirectory(dir=folder.path) as scratch:
                dump = Path(scratch) / "dump"
                archive.take_dump(file, dump)
                options = ("--clean", "--if-exists", "--single-transaction", "--exit-on-error", "--dbname=mlflow")
                run_program(stack.programs, "pg_restore", port, passwords, *options, str(dump))
            client = store.client(stack.standing.store_port, passwords)
            for key, stream in archive.objects_in(file):
                client.upload_fileobj(stream, store.BUCKET, key)
            _let_admin_in(port, passwords)
    except BaseException:
        for place in (folder.database, folder.store):
            shutil.rmtree(place, ignore_errors=True)
        raise
    return contents


@contextmanager
def _data_of(folder: Folder) -> Iterator[tuple[PostgreSQL, Passwords, Standing]]:
    """The database and the store of a folder: those that run, else started for this."""
    standing = folder.standing()
    if standing is not None:
        yield find_postgresql(folder.database), folder.passwords(), standing
        return
    with stack_in(folder.path, with_tracking=False) as stack:
        yield stack.programs, stack.passwords, stack.standing


def _column(cursor: Any, table: str, column: str) -> list[str]:
    """A column of a table; nothing where MLflow has not made it yet."""
    cursor.execute("SELECT to_regclass(%s)", (table,))
    if cursor.fetchone()[0] is None:
        return []
    cursor.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - both are ours
    return [row[0] for row in cursor.fetchall()]


def _add_objects(writer: archive.Writer, port: int, passwords: Passwords, known: set[str]) -> None:
    client = store.client(port, passwords)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=store.BUCKET):
        for listed in page.get("Contents", []):
            found = _ID.search(listed["Key"])
            if found and found[1] not in known:
                continue
            try:
                got = client.get_object(Bucket=store.BUCKET, Key=listed["Key"])
            except client.exceptions.NoSuchKey:
                continue  # it was deleted meanwhile
            with closing(got["Body"]) as body:
                writer.add(archive.OBJECTS + listed["Key"], got["ContentLength"], body)


def _let_admin_in(port: int, passwords: Passwords) -> None:
    from werkzeug.security import generate_password_hash

    with closing(connect(port, passwords)) as opened, opened, opened.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (f"{AUTH}.users",))
        if cursor.fetchone()[0] is not None:
            digest = generate_password_hash(passwords.users[ADMIN])
            cursor.execute(f"UPDATE {AUTH}.users SET password_hash = %s WHERE username = %s", (digest, ADMIN))  # noqa: S608
