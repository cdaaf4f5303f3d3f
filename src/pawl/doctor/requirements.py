"""A requirements file, as pip reads it, for comparing with what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from pawl.doctor.diagnosis import Package
from pawl.errors import InputError

_MOST_BYTES = 4 * 1024 * 1024
_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=|(?<=-r)|(?<=-c))(?P<file>\S.*)")
_OPTION = re.compile(r"\s--(?:hash|config-settings|global-option)(?:=|\s)\S+")


@dataclass(frozen=True)
class Pin:
    """One requirement of the file."""

    name: str
    """In lower case with hyphens, as in the names of installed packages."""
    requirement: Requirement
    hashes: tuple[str, ...]
    """Digests of what may be installed, such as `sha256:...`."""


def normal(name: str) -> str:
    """The one spelling of a package's name.

    >>> normal("Typing_Extensions")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(path: Path, *, everywhere: bool = False) -> list[Pin]:
    """The requirements in the file and in those that it includes: those for this platform, or `everywhere`.

    A constraint (`-c`) counts like a requirement of the file: what it names is compared where it is installed. What pip
    is to fetch from elsewhere (`-e`, addresses without a name, options) is left out. Raises InputError for a file that
    is missing, and for a line that is no requirement.
    """
    pins = _read(path.resolve(), set())
    return [pin for pin in pins if everywhere or pin.requirement.marker is None or _is_for_here(pin.requirement)]


def _read(path: Path, seen: set[Path]) -> Iterator[Pin]:
    if path in seen:
        return
    seen.add(path)
    for number, line in logical_lines(_text(path)):
        include = _INCLUDE.fullmatch(line)
        if include:
            yield from _read((path.parent / include["file"].strip()).resolve(), seen)
        elif not line.startswith("-") and not re.match(r"[\w+.-]+:|[./]", line):
            yield _pin(line, f"{path.name}, line {number}")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is larger than {_MOST_BYTES // 1024**2} MB: it is no requirements file.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path} cannot be read: {getattr(problem, 'strerror', None) or problem}.") from None


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines without comments, those that end in a backslash joined with the next, each with its first number.

    >>> list(logical_lines("a==1 \\\\\\n  --hash=sha256:00  # why\\n# no\\nb==2"))
    [(1, 'a==1   --hash=sha256:00'), (4, 'b==2')]
    """
    begun, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        # As pip does: a comment that follows a continued line ends it.
        is_comment = line.lstrip().startswith("#")
        begun = begun or number
        if not is_comment and line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        whole = re.sub(r"(^|\s+)#.*$", "", joined if is_comment else joined + line).strip()
        if whole:
            yield begun, whole
        begun, joined = 0, ""
    if joined.strip():
        yield begun, joined.strip()


def _is_for_here(requirement: Requirement) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": ""})


def _pin(line: str, where: str) -> Pin:
    hashes = tuple(re.findall(r"\s--hash(?:=|\s+)(\S+)", line))
    try:
        requirement = Requirement(_OPTION.sub("", line).strip())
    except InvalidRequirement:
        raise InputError(f"{where} is no requirement: write it as name==version.") from None
    return Pin(normal(requirement.name), requirement, hashes)


def unmet(pins: list[Pin], installed: Mapping[str, str]) -> list[Package]:
    """The pins that the installed packages (name -> version) do not meet, each name once."""
    found: dict[str, Package] = {}
    for pin in pins:
        version = installed.get(pin.name)
        # `2.13.0+cpu` meets `==2.13.0`: a build's own label is not part of what was pinned.
        if version is None or not pin.requirement.specifier.contains(version, prereleases=True):
            found[pin.name] = Package(name=pin.name, pinned=str(pin.requirement.specifier), installed=version)
    return list(found.values())
