"""What pawl itself needs to be installed, taken out of its own complete pinned set."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from pawl.doctor.requirements import Pin, normal, read_pins

PINS_NAME = "requirements-pawl.txt"
# Of the machine that installs it: a runner on Linux, whatever this is.
_RUNNER = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
_HEAD = """\
# What pawl needs, pinned as it was tested. Your own packages belong into requirements.txt, which includes this file.
"""


def own_names(root: Path) -> list[str]:
    """The packages that pawl names as its dependencies, in the checkout `root`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [normal(Requirement(text).name) for text in project["dependencies"]]


def pinned_needs(root: Path) -> str:
    """The text of requirements-pawl.txt: those pins of the checkout `root` that pawl's dependencies lead to.

    Which package needs which is read from what is installed here.
    """
    pins = {pin.name: pin for pin in read_pins(root / "requirements.txt", everywhere=True)}
    needed: dict[str, set[str]] = {}
    waiting = [(name, pins[name].requirement.extras if name in pins else set()) for name in own_names(root)]
    while waiting:
        name, extras = waiting.pop()
        if name in needed and extras <= needed[name]:
            continue
        needed[name] = needed.get(name, set()) | extras
        waiting += _needs_of(name, needed[name])
    return _HEAD + "".join(_lines(pins[name]) for name in sorted(needed) if name in pins)


@cache
def _requires(name: str) -> tuple[Requirement, ...]:
    try:
        return tuple(map(Requirement, metadata.requires(name) or []))
    except metadata.PackageNotFoundError:
        return ()


def _needs_of(name: str, extras: set[str]) -> list[tuple[str, set[str]]]:
    found = []
    for requirement in _requires(name):
        marker = requirement.marker
        if marker is None or any(marker.evaluate(_RUNNER | {"extra": extra}) for extra in ("", *extras)):
            found.append((normal(requirement.name), requirement.extras))
    return found


def _lines(pin: Pin) -> str:
    digests = "".join(f" \\\n    --hash={digest}" for digest in pin.hashes)
    return f"{pin.requirement}{digests}\n"
