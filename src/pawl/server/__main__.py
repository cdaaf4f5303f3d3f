"""`python -m pawl.server`: an MLflow server with its database and its store, in one folder and without containers."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from pawl.errors import EXIT_INTERRUPTED, InputError, PawlError

_EPILOG = "Example: python -m pawl.server up, and in another terminal: python -m pawl.server users owner/repository"
_DEFAULT_FOLDER = Path(".pawl/server")


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 2 where something is set wrongly, 4 where a part of the server fails."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs begin without it
        signal.signal(number, _interrupt)
    try:
        return int(options.act(options))
    except PawlError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pawl.server", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--folder", type=Path, default=_DEFAULT_FOLDER, help="holds all data (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="run the server until Ctrl-C")
    up.add_argument("--port", type=int, default=5000, help="MLflow's on 127.0.0.1; 0 for a free one (default: 5000)")
    up.add_argument("--host", action="append", default=[], help="a name by which a proxy lets others reach it")
    up.add_argument("--workers", type=int, default=2, help="processes of MLflow (default: 2)")
    up.set_defaults(act=_up)
    users = commands.add_parser("users", help="make the accounts of the workflows")
    users.add_argument("repository", help="as GitHub calls it: owner/name, or tracking.experiment of pawl.yaml")
    users.add_argument("--server", help="a server elsewhere; admin's password then is in ADMIN_PASSWORD")
    users.add_argument("--new-passwords", action="store_true", help="give both accounts new passwords")
    users.set_defaults(act=_users)
    upgrade = commands.add_parser("upgrade", help="bring the database to the MLflow that is installed; back up first")
    upgrade.set_defaults(act=_upgrade)
    password = commands.add_parser("password", help="print the password of an account")
    password.add_argument("name", help="admin, main or pull-requests")
    password.set_defaults(act=_password)
    backup = commands.add_parser("backup", help="everything into one file, while the server runs or not")
    backup.add_argument("file", type=Path)
    backup.set_defaults(act=_backup)
    restore = commands.add_parser("restore", help="everything out of such a file, into a folder without data")
    restore.add_argument("file", type=Path)
    restore.set_defaults(act=_restore)
    return parser


def _up(options: argparse.Namespace) -> int:
    from pawl.server.stack import stack_in

    if not 0 <= options.port < 65536 or not 1 <= options.workers <= 64:
        raise InputError("--port is 0 to 65535 and --workers 1 to 64.")
    _say(f"Starting PostgreSQL, SeaweedFS and MLflow in {options.folder}: this takes half a minute.")
    stopping = "Stopping."
    try:
        with stack_in(options.folder, port=options.port or None, hosts=options.host, workers=options.workers) as stack:
            ports = stack.standing
            _say(f"PostgreSQL {stack.programs.version}: 127.0.0.1:{ports.database_port}")
            _say(f"SeaweedFS (S3): http://127.0.0.1:{ports.store_port}")
            _say(f"MLflow: {stack.uri}")
            _say(f"Log in as admin; the password: python -m pawl.server --folder {options.folder} password admin")
            _say(f"Accounts for workflows: python -m pawl.server --folder {options.folder} users OWNER/REPOSITORY")
            _say("Ctrl-C stops all of it.")
            try:
                stack.watch()
            finally:
                # From here on another Ctrl-C would leave something running.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                _say(stopping)
    except KeyboardInterrupt:
        return 0
    return 0


def _users(options: argparse.Namespace) -> int:
    from pawl.server.folder import ADMIN, Folder
    from pawl.server.users import make_users

    folder = Folder(options.folder)
    if options.server:
        if folder.holds_data:
            raise InputError(f"{folder.path} is of another server: name an empty folder by --folder.")
        folder.make()
        passwords = folder.passwords()
        users = {**passwords.users, ADMIN: os.environ.get("ADMIN_PASSWORD") or passwords.users[ADMIN]}
        folder.keep(passwords.model_copy(update={"users": users}))
        uri = options.server
    else:
        standing = folder.standing()
        if standing is None:
            raise InputError(f"no server runs in {folder.path}: start it (python -m pawl.server up).")
        uri = standing.uri
    for account in make_users(folder, uri, options.repository, new_passwords=options.new_passwords):
        done = "is new" if account.is_new else "has a new password" if account.password_is_new else "is there"
        _say(f"{account.name} {done}: python -m pawl.server --folder {options.folder} password {account.name}")
    return 0


def _upgrade(options: argparse.Namespace) -> int:
    from pawl.server.folder import Folder
    from pawl.server.stack import stack_in
    from pawl.server.tracking import upgrade_database

    folder = Folder(options.folder)
    if not folder.holds_data:
        raise InputError(f"{folder.path} holds no server: name its folder by --folder.")
    with stack_in(options.folder, with_tracking=False) as stack:
        upgrade_database(stack.folder, stack.passwords, stack.standing)
    _say("The database is as the installed MLflow wants it.")
    return 0


def _password(options: argparse.Namespace) -> int:
    from pawl.errors import nearest
    from pawl.server.folder import Folder

    users = Folder(options.folder).passwords().users
    if options.name not in users:
        raise InputError(f"no password of {options.name} is known here: {nearest(options.name, users)}")
    sys.stdout.write(users[options.name] + "\n")
    return 0


def _backup(options: argparse.Namespace) -> int:
    from pawl.server.backup import back_up

    _say(back_up(options.folder, options.file).in_words(str(options.file)))
    return 0


def _restore(options: argparse.Namespace) -> int:
    from pawl.server.backup import restore

    _say(restore(options.file, options.folder).in_words(str(options.folder)))
    return 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
