"""The MLflow server: who may log in, for which host names, with which database and store."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pawl.errors import InputError
from pawl.report.files import write_beside
from pawl.server import database, store
from pawl.server.folder import ADMIN, Folder, Passwords, Standing
from pawl.server.processes import Running, plain_environment, start, wait_until

_READY_SECONDS = 180
_PARTS = {"mlflow": "mlflow", "flask_wtf": "Flask-WTF", "psycopg2": "psycopg2-binary", "boto3": "boto3"}


def require_parts() -> None:
    """Raises InputError where a package is missing."""
    if missing := [package for name, package in _PARTS.items() if find_spec(name) is None]:
        raise InputError(f"{', '.join(missing)} is not installed: pip install -r requirements-server.txt.")


def start_tracking(
    folder: Folder, passwords: Passwords, standing: Standing, hosts: Sequence[str] = (), workers: int = 2
) -> Running:
    """MLflow on 127.0.0.1; `hosts` are the names by which a proxy in front is reached. Raises ServiceError."""
    port = standing.tracking_port
    own = [f"127.0.0.1:{port}", f"localhost:{port}"]
    running = start(
        "MLflow",
        [
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--enable-workspaces"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
            *("--allowed-hosts", ",".join([*own, *hosts])),
            *("--cors-allowed-origins", ",".join([*(f"http://{o}" for o in own), *(f"https://{h}" for h in hosts)])),
            *("--artifacts-destination", f"s3://{store.BUCKET}"),
        ],
        cwd=folder.tracking,
        env=_environment(folder, passwords, standing),
        log=folder.logs / "tracking.log",
    )
    try:
        wait_until(running, lambda: _is_healthy(standing.uri), _READY_SECONDS)
    except BaseException:
        running.stop()
        raise
    return running


def upgrade_database(folder: Folder, passwords: Passwords, standing: Standing) -> None:
    """Bring the tables of runs and models to the installed MLflow; those of users it does at its start by itself.

    Raises ServiceError where that fails: the database then is as it was.
    """
    code = "import os; from mlflow.cli import cli; cli(['db', 'upgrade', os.environ['MLFLOW_BACKEND_STORE_URI']])"
    log = folder.logs / "upgrade.log"
    env = _environment(folder, passwords, standing)
    running = start("MLflow's upgrade", [sys.executable, "-c", code], cwd=folder.tracking, env=env, log=log)
    try:
        if running.process.wait() != 0:
            running.raise_if_ended()
    finally:
        running.stop()


def _environment(folder: Folder, passwords: Passwords, standing: Standing) -> dict[str, str]:
    """Addresses with passwords come this way, because a command line is for everybody to see."""
    return plain_environment() | {
        "MLFLOW_BACKEND_STORE_URI": database.tracking_uri(standing.database_port, passwords),
        "MLFLOW_AUTH_CONFIG_PATH": str(_auth_settings(folder, passwords, standing)),
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
        "MLFLOW_AUTH_ADMIN_PASSWORD": passwords.users[ADMIN],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": passwords.flask,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{standing.store_port}",
        "AWS_ACCESS_KEY_ID": store.READER_WRITER,
        "AWS_SECRET_ACCESS_KEY": passwords.store,
        "AWS_DEFAULT_REGION": store.REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


def _auth_settings(folder: Folder, passwords: Passwords, standing: Standing) -> Path:
    """Whoever has no grant may do nothing, make nothing and read nothing."""
    path = folder.tracking / "basic_auth.ini"
    lines = [
        "[mlflow]",
        "default_permission = NO_PERMISSIONS",
        "grant_default_workspace_access = false",
        # Without it every request costs a slow digest of the password; one that was withdrawn is taken as long.
        "auth_cache_ttl_seconds = 30",
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
        f"database_uri = {database.auth_uri(standing.database_port, passwords)}",
        "",
    ]
    write_beside(path, "\n".join(lines).encode(), 0o600).replace(path)
    return path


def _is_healthy(uri: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{uri}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
