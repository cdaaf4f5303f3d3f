"""What a stage runs in: its environment variables, and the machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pawl.schema import Machine

# A stage runs code that nobody reviewed yet: what opens a door elsewhere stays outside.
_SECRET = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|_KEY(_ID)?$|^KEY$|^(ACTIONS|AWS|AZURE|GOOGLE|GCLOUD|CLOUDSDK|MLFLOW)_|_PAT$"
    # What a stage writes there would reach the job's later steps, which have more rights.
    r"|^GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY)$",
    re.IGNORECASE,
)
_FORCED = {"PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "DVC_NO_ANALYTICS": "1"}


def stage_environment(
    base: dict[str, str], allowed: list[str], checkout: Path, stage_key: str | None
) -> dict[str, str]:
    """`base` without what looks like a secret (but with `allowed`); `python` is this one, imports come from `checkout`.

    An editable install puts another checkout's folder on Python's path; the same folder of `checkout` goes before it,
    because the base's stages must not run the head's code.
    """
    env = {name: value for name, value in base.items() if name in allowed or not _SECRET.search(name)}
    env |= {name: env.get(name, value) for name, value in _FORCED.items()}
    bin_folder = str(Path(sys.executable).parent)
    env["PATH"] = os.pathsep.join([bin_folder, env.get("PATH", os.defpath)])
    redirected = _redirected_imports(checkout)
    if redirected:
        env["PYTHONPATH"] = os.pathsep.join([*redirected, *filter(None, [env.get("PYTHONPATH")])])
    env.pop("PAWL_STAGE_KEY", None)
    if stage_key:
        env["PAWL_STAGE_KEY"] = stage_key
    return env


def _redirected_imports(checkout: Path) -> list[str]:
    """For each folder on Python's path that lies in another checkout of the same repository, the same folder here."""
    found = []
    for entry in sys.path:
        path = Path(entry)
        for parent in (path, *path.parents):
            if (parent / ".git").exists() and parent != checkout:
                here = checkout / path.relative_to(parent)
                if here.is_dir() and "site-packages" not in entry:
                    found.append(str(here))
                break
    return found


def describe_machine() -> Machine:
    """The machine and the installed packages."""
    packages = _packages()
    where = {"python": platform.python_version(), "platform": platform.platform(), "packages": packages}
    return Machine(
        device=_device(),
        cpu_count=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        python=platform.python_version(),
        platform=platform.platform(),
        packages=packages,
        environment_digest=hashlib.sha256(json.dumps(where, sort_keys=True).encode()).hexdigest(),
    )


def _packages() -> dict[str, str]:
    """Name -> version of what is installed, by the metadata folders' names: reading what is in them takes a second."""
    found: dict[str, str] = {}
    for entry in reversed(sys.path):
        for folder in Path(entry).glob("*.dist-info") if entry else ():
            name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return dict(sorted(found.items()))


def _device() -> str:
    """The GPUs' names as nvidia-smi tells them; without one, the processor's."""
    if shutil.which("nvidia-smi"):
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
        names = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        if done.returncode == 0 and names:
            return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))[:200]
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    except OSError:
        model = None
    return f"CPU: {model.group(1).strip() if model else platform.machine()}"[:200]
