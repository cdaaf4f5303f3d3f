"""The services a run talks to: MLflow with its registry, and CML."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pawl.config import Config
from pawl.doctor.diagnosis import Line, error, not_checked, ok, warning
from pawl.doctor.remotes import without_password
from pawl.pipeline.environment import describe_machine
from pawl.publish.cml import PASSED_ON, find_cml
from pawl.publish.environment import LOOPBACK
from pawl.publish.github_api import one_line

_TIMEOUTS_SECONDS = (3.0, 5.0)
_MOST_BYTES = 64 * 1024
_CML_SECONDS = 8
_CML_MADE_FOR = "0.20"


def mlflow_lines(config: Config, environ: Mapping[str, str]) -> list[Line]:
    """Whether the tracking server answers, in which version, and lets this machine in."""
    if not config.tracking.enabled:
        return [ok("services", "MLflow", "tracking is switched off in pawl.yaml")]
    address = (environ.get("MLFLOW_TRACKING_URI") or config.tracking.uri or "").rstrip("/")
    if not address:
        remedy = "Set MLFLOW_TRACKING_URI, or `tracking.uri` in pawl.yaml, to share runs."
        return [warning("services", "MLflow", "no server is named: runs go to a file in .pawl/", remedy)]
    shown = without_password(address)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        if parts.scheme.startswith(("sqlite", "postgresql", "mysql", "mssql")):
            return [ok("services", "MLflow", f"a database without a server: {shown}")]
        remedy = "Name a server as https://HOST, or a database as sqlite:///FILE."
        return [warning("services", "MLflow", f"{shown} is neither a server nor a database", remedy)]
    try:
        status, version = _get(f"{address}/version", environ)
    except OSError as problem:
        why = one_line(without_password(str(problem)))
        found = f"{shown} cannot be reached ({type(problem).__name__}: {why})"
        return [
            warning("services", "MLflow", found, "Start it or correct the address; results go untracked until then.")
        ]
    if status in (401, 403):
        return [_no_entry(shown, status)]
    if status != 200 or not re.fullmatch(r"\d+(\.\w+)+", version.strip()):
        found = f"{shown} answers, but not as MLflow does ({status})"
        return [
            warning("services", "MLflow", found, "Correct MLFLOW_TRACKING_URI: it is the address of the server itself.")
        ]
    lines = [_version_line(shown, version.strip()), *_let_in(address, shown, environ)]
    secret = any(environ.get(name) for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"))
    if parts.scheme == "http" and secret and parts.hostname not in LOOPBACK:
        remedy = "Put the server behind https."
        lines.append(error("services", "MLflow: login", f"{shown} is sent the login unencrypted", remedy))
    return lines


def _version_line(shown: str, version: str) -> Line:
    own = describe_machine([]).packages.get("mlflow", "")
    if own and own.split(".")[0] != version.split(".")[0]:
        found = f"{shown} runs {version}, and the client here is {own}"
        return warning("services", "MLflow", found, "Bring both to the same major version.")
    return ok("services", "MLflow", f"{shown} runs {version}")


def _let_in(address: str, shown: str, environ: Mapping[str, str]) -> list[Line]:
    """Whether it answers a question about experiments, which `/version` does not need a login for."""
    try:
        status, text = _get(f"{address}/api/2.0/mlflow/experiments/search?max_results=1", environ)
        answer = json.loads(text) if status == 200 else None
    except (OSError, ValueError) as problem:
        return [not_checked("services", "MLflow: login", f"{type(problem).__name__}: {one_line(problem)}")]
    if status in (401, 403):
        return [_no_entry(shown, status)]
    if status != 200 or not isinstance(answer, dict):
        return [not_checked("services", "MLflow: login", f"{shown} answers {status}")]
    return []


def registry_lines(config: Config, environ: Mapping[str, str], root: Path) -> list[Line]:
    """Whether the model registry can be read from here, and whether what signatures are verified with is in order."""
    if not config.tracking.enabled:
        return []
    return [*_registry_line(config, environ), _key_line(config, root / config.registry.public_key)]


def _registry_line(config: Config, environ: Mapping[str, str]) -> list[Line]:
    address = (environ.get("MLFLOW_TRACKING_URI") or config.tracking.uri or "").rstrip("/")
    if urlsplit(address).scheme not in ("http", "https"):
        return []
    shown = without_password(address)
    try:
        status, _ = _get(f"{address}/api/2.0/mlflow/registered-models/search?max_results=1", environ)
    except OSError as problem:
        return [not_checked("services", "registry", f"{type(problem).__name__}: {one_line(problem)}")]
    if status == 200:
        return [ok("services", "registry", f"{shown} shows its models")]
    remedy = "Give this login the right to read registered models: `pawl promote` asks for the champion first."
    return [warning("services", "registry", f"{shown} does not show its models ({status})", remedy)]


def _key_line(config: Config, path: Path) -> Line:
    wants = config.registry.sign
    if not path.is_file():
        if wants == "key":
            remedy = "Commit the public half of the signing key, see docs/registry.md."
            return error("services", "signing", f"`registry.sign` is key, and {path.name} does not exist", remedy)
        return ok("services", "signing", "keyless" if wants == "keyless" else f"none: there is no {path.name}")
    content = path.read_bytes()[:_MOST_BYTES]
    if b"PRIVATE" in content:
        remedy = "Make a new key: this one is in the history, see docs/registry.md."
        return error("services", "signing", f"{path.name} holds a private key", remedy)
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        remedy = "Write the public half of a key on P-256, see docs/registry.md."
        return error("services", "signing", f"{path.name} is no public key of an elliptic curve", remedy)
    return ok("services", "signing", f"{path.name}, {key.curve.name}")


def _no_entry(shown: str, status: int) -> Line:
    remedy = "Set MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN; a 403 may be its --allowed-hosts."
    return warning("services", "MLflow: login", f"{shown} does not let this machine in ({status})", remedy)


def _get(url: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Status and the beginning of the text. Raises OSError, whatever goes wrong."""
    import requests

    headers: dict[str, str] = {"User-Agent": "pawl"}
    login: Any = None
    if environ.get("MLFLOW_TRACKING_USERNAME"):
        login = (environ["MLFLOW_TRACKING_USERNAME"], environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    elif environ.get("MLFLOW_TRACKING_TOKEN"):
        headers["Authorization"] = f"Bearer {environ['MLFLOW_TRACKING_TOKEN']}"
    # Not followed: a login must not travel to wherever a server points.
    with requests.get(
        url, headers=headers, auth=login, timeout=_TIMEOUTS_SECONDS, stream=True, allow_redirects=False
    ) as answer:
        text = next(answer.iter_content(_MOST_BYTES), b"")
        return answer.status_code, text.decode(errors="replace")


def cml_lines(environ: Mapping[str, str]) -> list[Line]:
    """Whether CML is there, and in which version."""
    program = find_cml(environ)
    if program is None:
        return [ok("services", "CML", "not installed; pawl posts the comment itself")]
    env = {name: environ[name] for name in PASSED_ON if name in environ} | {"ITERATIVE_DO_NOT_TRACK": "1"}
    # It appends to git's global settings on every run.
    env["GIT_CONFIG_GLOBAL"] = os.devnull
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=env,
            timeout=_CML_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return [not_checked("services", "CML", f"{program} --version: {type(problem).__name__}")]
    found = re.search(r"\d+\.\d+\.\d+", done.stdout)
    if done.returncode != 0 or not found:
        said = one_line(done.stderr or done.stdout) or f"exit code {done.returncode}"
        # The package of that name on PyPI is another program.
        remedy = "Install @dvcorg/cml with npm, or remove the program: pawl posts the comment itself then."
        return [warning("services", "CML", f"{program} is not CML: {said}", remedy)]
    if not found[0].startswith(f"{_CML_MADE_FOR}."):
        remedy = f"Install @dvcorg/cml@{_CML_MADE_FOR}: how it finds its comment is tested with that."
        return [warning("services", "CML", f"{found[0]}, and pawl was made for {_CML_MADE_FOR}", remedy)]
    return [ok("services", "CML", found[0])]
