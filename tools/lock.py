"""The digests in requirements*.txt: `make lock` writes them anew, `make lock-check` says whether they hold.

What is pinned is for people to choose and to explain, so comments, order and versions stay as they stand. Below each
requirement come the digests of all files of that version, for every platform, as the package index that pip is
configured with lists them. A build with a label of its own, such as 2.13.0+cpu, is published elsewhere: its digests
are kept, and added to those of its version. Fails where a version is not on the index, or where what is pinned brings
along something that is pinned nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYTHON = "3.11"
_PLATFORMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
)


class LockError(Exception):
    """What is wrong, where, and what to do, in one sentence."""


@dataclass(frozen=True)
class Pin:
    """One requirement of a file."""

    requirement: Requirement
    line: str
    """As written, without digests."""
    digests: frozenset[str]
    """Those that stand below it, `sha256:` and 64 hex digits each."""

    @property
    def name(self) -> str:
        """The one spelling of the package's name."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> Version:
        """The one version that is allowed."""
        return Version(next(iter(self.requirement.specifier)).version)


def read(text: str, file: str) -> list[str | Pin]:
    """The file as its pins and, as they stand, its other lines. Raises LockError where a requirement is not pinned."""
    parts: list[str | Pin] = []
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        is_pin = line and not line.startswith(("#", "-"))
        parts.append(_pin(line, file) if is_pin else line)
    return parts


def _pin(text: str, file: str) -> Pin:
    line, *digests = re.split(r"\s+--hash=", text.strip())
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        raise LockError(f"{file}: {line} is no requirement: write it as name==version.") from None
    if [(one.operator, "*" in one.version) for one in requirement.specifier] != [("==", False)]:
        raise LockError(f"{file}: {line} pins no version: write it as {requirement.name}==version.")
    return Pin(requirement, line, frozenset(digests))


def written(parts: list[str | Pin], digests: dict[str, frozenset[str]]) -> str:
    """The file with the digests of its package (by name) below each pin, in order; a build keeps its own."""
    lines = []
    for part in parts:
        if isinstance(part, Pin):
            hashes = sorted(part.digests if part.version.local else digests[part.name])
            lines.append(" \\\n".join([part.line, *(f"    --hash={digest}" for digest in hashes)]))
        else:
            lines.append(part)
    return "".join(f"{line}\n" for line in lines)


def known_digests(pins: list[Pin]) -> dict[str, frozenset[str]]:
    """Package -> digests of all files of its pinned version: on the index, and of the builds that are pinned.

    Raises LockError as `index_digests`, and for a build that has no digests or is one of another version.
    """
    digests = index_digests([pin for pin in pins if not pin.version.local])
    versions = {pin.name: pin.version for pin in pins if not pin.version.local}
    for build in (pin for pin in pins if pin.version.local):
        version = versions.get(build.name)
        if version is None or version.public != build.version.public:
            raise LockError(f"{build.line} is a build of another version than is pinned: {build.name}=={version}.")
        if not build.digests:
            raise LockError(
                f"{build.line} has no digests, and no index has them: add what `pip hash` says of its files."
            )
        digests[build.name] |= build.digests
    return digests


def index_digests(pins: list[Pin]) -> dict[str, frozenset[str]]:
    """Package -> digests of all files of its pinned version on the index.

    Raises LockError in the words of the resolver where a version does not exist, or two do not go together, and where
    what is pinned brings along something that is not.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    uv = shutil.which("uv", path=places)
    if uv is None:
        raise LockError(f"uv is missing: install requirements-dev.txt for {sys.executable}.")
    command = [uv, "pip", "compile", "-", "--quiet", "--no-config", "--universal", "--python-version", PYTHON]
    shown = ["--generate-hashes", "--no-header", "--no-annotate", "--color=never"]
    text = "".join(f"{pin.line}\n" for pin in pins)
    done = subprocess.run([*command, *shown], input=text, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        reason = " ".join(done.stderr.split("cause:", 1)[-1].split())
        raise LockError(f"the index does not have what is pinned: {reason}")
    resolved = [one for one in read(done.stdout, "what was resolved") if isinstance(one, Pin)]
    pinned = {pin.name for pin in pins}
    for one in resolved:
        if one.name not in pinned and _is_needed(one.requirement.marker):
            raise LockError(
                f"{one.line} is brought along by what is pinned, but pinned nowhere: add it where it belongs."
            )
    return {one.name: one.digests for one in resolved}


def _is_needed(marker: Marker | None) -> bool:
    """Whether it is on one of the platforms that the project runs on."""
    version = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
    return marker is None or any(marker.evaluate(platform | version) for platform in _PLATFORMS)


def _environment() -> dict[str, str]:
    """For uv: the index and the certificates that pip is configured with. Extra indexes may be partial mirrors."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    environment = dict(os.environ)
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):  # what the environment says wins, as in pip
        key, _, value = line.partition("=")
        variable = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}.get(key.rpartition(".")[2])
        if variable:
            environment[variable] = value.strip("'\"")
    return environment


def lock(root: Path, *, check: bool) -> list[Path]:
    """Write the digests of every requirements file in `root`, or only `check` them; the files where they do not hold.

    Raises LockError.
    """
    files = {path: read(path.read_text(encoding="utf-8"), path.name) for path in sorted(root.glob("requirements*.txt"))}
    digests = known_digests([part for parts in files.values() for part in parts if isinstance(part, Pin)])
    stale = [path for path, parts in files.items() if written(parts, digests) != path.read_text(encoding="utf-8")]
    for path in [] if check else stale:
        path.write_text(written(files[path], digests), encoding="utf-8")
    return stale


def main(arguments: list[str]) -> int:
    """0; 1 where digests do not hold and `--check` was asked for; 2 where nothing can be said."""
    check = "--check" in arguments
    try:
        stale = lock(Path(__file__).parents[1], check=check)
    except LockError as error:
        print(f"lock: {error}", file=sys.stderr)
        return 2
    for path in stale:
        print(f"{path.name}: {'other digests than the index has: look why, then make lock' if check else 'written'}")
    if not stale:
        print("every digest is as the index has it")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
