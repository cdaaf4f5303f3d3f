"""Which Python packages a model needs where it is served, at the pinned versions of the stages."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from tasks.common.stage.errors import TaskError

OWN_PINS = Path(__file__).with_name("requirements.txt")
TASKS_PINS = Path(__file__).parents[2] / "requirements.txt"

# What is imported under another name than it is installed under.
_DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "SimpleITK": "simpleitk", "ruamel": "ruamel.yaml"}
# Which a model needs by its framework. Of a network that exists in both, only the one it was trained in.
_NETWORKS = {"torch": ("torch", "safetensors"), "tensorflow": ("tensorflow", "keras", "h5py")}
_FRAMEWORKS = _NETWORKS | {"scikit-learn": ("scikit-learn", "scipy", "skops")}
_LINE = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")


def pinned(*files: Path) -> dict[str, str]:
    """The version of each package in files of lines such as `numpy==2.4.6`. Raises TaskError for another line."""
    versions = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            text = line.partition("#")[0].strip()
            found = _LINE.fullmatch(text)
            if found:
                versions[found[1]] = found[2]
            elif text:
                raise TaskError(f'{file}: "{text}" is not of the form name==version; pin one version.')
    return versions


def requirements_of(imported: Collection[str], framework: str) -> list[str]:
    """Lines for requirements.txt: what is `imported` and pinned, of the model's own framework, and MLflow."""
    pins = pinned(TASKS_PINS, OWN_PINS)
    wanted = {_DISTRIBUTIONS.get(name, name) for name in imported} | set(pinned(OWN_PINS))
    wanted |= set(_FRAMEWORKS.get(framework, ()))
    foreign = {name for other, names in _NETWORKS.items() if other != framework for name in names}
    return [f"{name}=={version}" for name, version in pins.items() if name in wanted - foreign]
