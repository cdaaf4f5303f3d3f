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
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from pawl.pipeline.gpu_meter import driver_version
from pawl.schema import Machine

# A stage runs code that nobody reviewed yet: what opens a door elsewhere stays outside.
_SECRET = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|_KEY(_ID)?$|^KEY$|^(ACTIONS|AWS|AZURE|GOOGLE|GCLOUD|CLOUDSDK|MLFLOW)_|_PAT$"
    # What a stage writes there would reach the job's later steps, which have more rights.
    r"|^GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY)$",
    re.IGNORECASE,
)
_NVIDIA_SMI_SECONDS = 20
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


def with_gpus(env: dict[str, str], gpus: tuple[str, ...], visible: tuple[str, ...]) -> dict[str, str]:
    """`env` in which a stage sees `gpus` of those `visible` to pawl; unchanged on a machine that has none."""
    return env | {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if visible else env


def installed_gpus() -> list[tuple[str, str]]:
    """Index and name of every GPU, as nvidia-smi tells them; none where it is missing, fails or does not answer."""
    if not shutil.which("nvidia-smi"):
        return []
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_NVIDIA_SMI_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = re.findall(r"^\s*(\d+)\s*,\s*(.*?)\s*$", done.stdout, re.MULTILINE) if done.returncode == 0 else []
    return [(index, name) for index, name in found]


def visible_gpus(installed: list[tuple[str, str]], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Those of the installed GPUs that CUDA_VISIBLE_DEVICES leaves to us, all if it is not set, as CUDA names them.

    As CUDA reads it, the list ends before the first entry that is no GPU. A GPU or a part of one that is named by its
    UUID is taken as it is.
    """
    indices = tuple(index for index, _ in installed)
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not indices:
        return indices
    entries = (entry.strip() for entry in chosen.split(","))
    return tuple(
        dict.fromkeys(takewhile(lambda entry: entry in indices or entry.startswith(("GPU-", "MIG-")), entries))
    )


def describe_machine(gpus: list[tuple[str, str]] | None = None) -> Machine:
    """The machine and the installed packages; `gpus` are the installed ones, where they are known already."""
    gpus = installed_gpus() if gpus is None else gpus
    packages, driver = _packages(), driver_version() if gpus else None
    where = {"python": platform.python_version(), "platform": platform.platform(), "packages": packages}
    where |= {"driver": driver} if driver else {}
    return Machine(
        device=_device(gpus),
        driver=driver,
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


def _device(gpus: list[tuple[str, str]]) -> str:
    """The GPUs' names; without one, the processor's."""
    names = [name for _, name in gpus]
    if names:
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))[:200]
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    except OSError:
        model = None
    return f"CPU: {model.group(1).strip() if model else platform.machine()}"[:200]
