"""The machine: Python, packages, GPUs and free space."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

from pawl.doctor.diagnosis import Line, error, not_checked, ok, some, warning
from pawl.doctor.requirements import read_pins, unmet
from pawl.pipeline.environment import describe_machine, installed_gpus, visible_gpus
from pawl.pipeline.gpu_meter import driver_version

_PYTHON = (3, 11)
_ERROR_FREE_GB = 2
_WARNING_FREE_GB = 20
_NVIDIA_VENDOR = "0x10de"


def python_lines() -> list[Line]:
    """Whether this Python is the one that the workflows install environments for."""
    found = f"{platform.python_version()} at {sys.executable}"
    wanted = ".".join(map(str, _PYTHON))
    if sys.version_info[:2] == _PYTHON:
        return [ok("machine", "Python", found)]
    return [error("machine", "Python", found, f"Use Python {wanted}, for which the packages are pinned.")]


def package_lines(top: Path) -> list[Line]:
    """Whether the packages that requirements.txt pins are installed as pinned."""
    file = top / "requirements.txt"
    if not file.exists():
        remedy = "Write one with pinned versions, or let `pawl init` do it: runners install it."
        return [warning("machine", "packages", "there is no requirements.txt", remedy)]
    pins = read_pins(file)
    packages = describe_machine([]).packages
    differing = unmet(pins, packages)
    if not differing:
        hashed = sum(bool(pin.hashes) for pin in pins)
        note = f", {hashed} of them by their hashes" if hashed else ""
        return [ok("machine", "packages", f"{len({p.name for p in pins})} are installed as pinned{note}")]
    missing = [package.name for package in differing if package.installed is None]
    other = [f"{p.name} {p.installed} ({p.pinned})" for p in differing if p.installed is not None]
    parts = [f"missing: {some(missing)}"] * bool(missing) + [f"other than pinned: {some(other)}"] * bool(other)
    tell = error if missing else warning
    line = tell(
        "machine", "packages", "; ".join(parts), f"Run `python -m pip install -r {file.name}` in this environment."
    )
    return [line.model_copy(update={"packages": tuple(differing)})]


def gpu_lines() -> list[Line]:
    """The GPUs that stages would see, and the driver."""
    installed = installed_gpus()
    if not installed:
        if _has_nvidia_card():
            found = "there is an NVIDIA card, but nvidia-smi is missing or does not list it"
            return [error("machine", "GPU", found, "Install NVIDIA's driver, or reboot after an update of it.")]
        remedy = "Nothing to do on a laptop; a GPU runner needs NVIDIA's driver and nvidia-smi."
        return [warning("machine", "GPU", "none: stages run on the processor", remedy)]
    visible = visible_gpus(installed, os.environ)
    names = some([name for _, name in installed])
    if not visible:
        found = f"{names}, none of them in CUDA_VISIBLE_DEVICES"
        return [error("machine", "GPU", found, "Name one in CUDA_VISIBLE_DEVICES, or unset it.")]
    driver = driver_version()
    found = f"{names}; {len(visible)} visible to stages; driver {driver or 'unknown'}"
    if driver is None:
        remedy = "Install nvidia-ml-py and a driver with libnvidia-ml: GPU use and energy are not measured without."
        return [warning("machine", "GPU", found, remedy)]
    torch = describe_machine([]).packages.get("torch", "")
    if torch.endswith("+cpu"):
        remedy = "Install torch's CUDA build: pip takes it from the package index where no index for the CPU is given."
        return [error("machine", "GPU", f"{found}; but torch {torch} cannot use it", remedy)]
    return [ok("machine", "GPU", found)]


def _has_nvidia_card() -> bool:
    """Whether the kernel sees a display device by NVIDIA, driver or not."""
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == _NVIDIA_VENDOR and kind.startswith("0x03"):
            return True
    return False


def disk_lines(places: dict[str, Path]) -> list[Line]:
    """The free space at each named place; a place that does not exist yet is judged by the folder it will be in."""
    lines = []
    for what, place in places.items():
        there = next((folder for folder in (place, *place.parents) if folder.exists()), None)
        if there is None:
            lines.append(not_checked("machine", f"disk: {what}", f"{place} does not exist"))
            continue
        free = shutil.disk_usage(there).free / 1e9
        found = f"{free:.1f} GB free at {place}"
        if free >= _WARNING_FREE_GB:
            lines.append(ok("machine", f"disk: {what}", found))
        else:
            tell = error if free < _ERROR_FREE_GB else warning
            remedy = "Free some: `dvc gc --workspace` drops what no checkout uses; or move the cache to a larger disk."
            lines.append(tell("machine", f"disk: {what}", found, remedy))
    return lines


def dvc_lines() -> list[Line]:
    """Whether DVC is there, in the very version whose run-cache pawl reads."""
    version = describe_machine([]).packages.get("dvc")
    if version is None:
        return [error("machine", "DVC", "not installed for this Python", "Install what requirements.txt pins.")]
    wanted = _wanted_dvc()
    if wanted is not None and wanted != version:
        remedy = f"Install dvc=={wanted}: pawl reads the run-cache by DVC's inner interface."
        return [error("machine", "DVC", f"{version}, and pawl was made for {wanted}", remedy)]
    return [ok("machine", "DVC", version)]


def _wanted_dvc() -> str | None:
    """The version that pawl's own metadata pins; None where pawl is used without being installed."""
    try:
        required = metadata.requires("pawl") or []
    except metadata.PackageNotFoundError:
        return None
    return next((text.removeprefix("dvc==") for text in required if text.startswith("dvc==")), None)
