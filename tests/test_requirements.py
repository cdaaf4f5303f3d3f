"""What is installed: pinned, explained, complete for every platform, and by digests that an index really has."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.github.load import load
from tools.lock import Pin, known_digests, read

ROOT = Path(__file__).parents[1]
FILES = sorted(path.name for path in ROOT.glob("requirements*.txt"))
TASKS = "src/tasks/requirements.txt"
PLATFORMS = [
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
]
install = load("actions/setup/install.py")


def entries(file: str) -> list[tuple[str, list[str]]]:
    """The file's logical lines, each with the comments and headings that stand above it."""
    found: list[tuple[str, list[str]]] = []
    above: list[str] = []
    for line in (ROOT / file).read_text().replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            found.append((line, above))
            # Below a heading ("# What ...") stands a list; any other comment explains the one line below it.
            above = [one for one in above if one.startswith("# What ")][-1:]
        else:
            above = [*above, line] if line else []
    return found


def requirements(file: str) -> list[Requirement]:
    lines = [line.split(" --hash")[0].strip() for line, _ in entries(file)]
    return [Requirement(line) for line in lines if not line.startswith("-r ")]


def included(file: str) -> Iterator[str]:
    yield file
    for line, _ in entries(file):
        if line.startswith("-r "):
            yield from included(line.removeprefix("-r "))


def pins(files: list[str]) -> dict[str, tuple[Requirement, str]]:
    """Package -> its requirement and version in these files; fails where two differ."""
    found: dict[str, tuple[Requirement, str]] = {}
    for file in files:
        for one in requirements(file):
            (specifier,) = one.specifier
            version = specifier.version.removesuffix("+cpu")
            before = found.setdefault(canonicalize_name(one.name), (one, version))
            assert before[1] == version, f"{one.name} is pinned twice, differently"
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_a_pin_with_digests_or_a_file_of_such(file: str) -> None:
    """So no line can name an index, a folder or an address to install from."""
    pin = r"[\w.-]+(\[[\w,-]+\])?==[\w.+]+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+"
    for line, _ in entries(file):
        assert re.fullmatch(pin, line) or line.removeprefix("-r ") in FILES, line
    assert not re.search(r"(http|https|file|ftp)://", (ROOT / file).read_text())


@pytest.mark.parametrize("file", [*FILES, TASKS])
def test_a_comment_says_why(file: str) -> None:
    for line, above in entries(file):
        assert above or line.startswith("-r "), f"{file}: no comment says why there is {line[:60]}"


def test_pins_agree() -> None:
    every = pins([*FILES, TASKS])
    assert set(pins([TASKS])) <= set(pins(list(included("requirements.txt"))))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for needed in map(Requirement, [*project["project"]["dependencies"], *project["build-system"]["requires"]]):
        pinned = every[canonicalize_name(needed.name)][1]
        assert needed.specifier.contains(pinned), f"{needed} and the pinned {pinned}"


@cache
def needs(package: str) -> list[Requirement]:
    return [Requirement(one) for one in metadata.requires(package) or []]


@pytest.mark.parametrize("file", [file for file in FILES if file != "requirements-cuda.txt"])
def test_what_the_pins_bring_along_is_pinned_in_the_same_file_for_every_platform(file: str) -> None:
    """By what the installed packages say of themselves; requirements-cuda.txt's are not installed everywhere."""
    pinned = pins(list(included(file)))
    cuda = pins(["requirements-cuda.txt"])
    for platform in PLATFORMS:
        todo = {(name, extra) for name, (one, _) in pinned.items() for extra in ["", *one.extras]}
        seen: set[tuple[str, str]] = set()
        while todo - seen:
            name, extra = (todo - seen).pop()
            seen.add((name, extra))
            marker = pinned[name][0].marker
            if marker is not None and not marker.evaluate(platform):
                continue
            if marker is not None and not marker.evaluate():
                continue  # for another platform, so not installed here
            for needed in needs(name):
                if needed.marker is not None and not needed.marker.evaluate(platform | {"extra": extra}):
                    continue
                package = canonicalize_name(needed.name)
                if package in cuda:
                    continue
                assert package in pinned, f"{file}: {name} needs {needed} on {platform['platform_machine']}"
                assert needed.specifier.contains(pinned[package][1], prereleases=True), (name, str(needed))
                todo |= {(package, one) for one in ["", *needed.extras]}


def test_an_index_really_has_what_is_pinned() -> None:
    """Over 5 s: the package index is asked about all of it, as `make lock-check` does."""
    every = [one for name in FILES for one in read((ROOT / name).read_text(), name) if isinstance(one, Pin)]
    digests = known_digests(every)
    for pin in every:
        # Another file may have been added to the index since; none of those listed may be missing there.
        assert pin.digests <= digests[pin.name], pin.line


def dry_run(file: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """What pip would install: it fetches every file (or has it from before) and compares its digest."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps"]
    options = ["--require-hashes", "--no-build-isolation", "--requirement", str(file)]
    return subprocess.run([*command, *options], env=os.environ | settings, capture_output=True, text=True)


def test_pip_takes_what_has_these_digests_and_nothing_else(tmp_path: Path) -> None:
    """Over 5 s: pip reads an index and fetches packages. A pure one, a compiled one, and one published as source."""
    names = ("jinja2", "markupsafe", "antlr4-python3-runtime")
    lines = [line for line, _ in entries("requirements-report.txt") + entries("requirements-plan.txt")]
    file = tmp_path / "requirements.txt"
    file.write_text("".join(f"{line}\n" for line in lines if line.startswith(tuple(f"{name}==" for name in names))))
    assert file.read_text().count("==") == len(names)
    done = dry_run(file)
    assert done.returncode == 0, done.stderr
    file.write_text("".join(flipped(line) if "jinja2" in line else line for line in file.open()))
    done = dry_run(file)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "jinja2==" in done.stderr


def flipped(text: str) -> str:
    """The text with one digit of every digest changed."""
    return re.sub(r"(sha256:)(.)", lambda found: found[1] + ("1" if found[2] == "0" else "0"), text)


def wheel(folder: Path, name: str, version: str, needs: str = "") -> str:
    """Make a real, empty wheel for every platform, and say its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    needed = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def source(folder: Path, name: str) -> str:
    """Make a real source archive of version 1.0, which has to be built, and say its digest."""
    path = folder / f"{name}-1.0.tar.gz"
    files = {
        "setup.py": f"from setuptools import setup\nsetup(name={name!r}, version='1.0')\n",
        "pyproject.toml": "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n",
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
    }
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_only_what_has_a_digest_is_installed_and_nothing_fetched_to_build_it(tmp_path: Path) -> None:
    """Over 5 s: pip installs from one folder into another, four times."""
    links = tmp_path / "links"
    digests = {"tool": wheel(links, "tool", "1.0"), "pure": wheel(links, "pure", "1.0")}
    digests |= {"built": source(links, "built")}
    lines = {name: f"{name}==1.0 --hash={digest}\n" for name, digest in digests.items()}
    (tmp_path / "requirements-build.txt").write_text(lines["tool"])
    file = tmp_path / "requirements.txt"
    site = tmp_path / "site"
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links), "PIP_TARGET": str(site), "PIP_NO_DEPS": "1"}

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(Path(install.__file__)), str(file)]
        return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)

    file.write_text("pure==1.0\n")
    done = run()
    assert (done.returncode, "Hashes are required" in done.stderr) == (1, True), done.stderr
    assert not list(site.glob("pure*"))
    file.write_text(lines["pure"] + lines["built"])
    done = run()
    assert done.returncode == 0, done.stderr
    assert {path.name for path in site.glob("*.dist-info")} == {f"{name}-1.0.dist-info" for name in digests}
    file.unlink()
    done = run()
    assert (done.returncode, "requirements.txt cannot be installed" in done.stderr) == (1, True)


def test_an_environment_is_for_all_files_that_may_be_installed(tmp_path: Path) -> None:
    digest = load("actions/setup/environment.py").digest
    files = [tmp_path / f"requirements{end}.txt" for end in ("", "-cpu", "-cuda", "-build")]
    for file in files:
        file.write_text("a==1\n")
    before = digest(files[0])
    for file in files:
        file.write_text("a==2\n")
        assert digest(files[0]) != before
        file.write_text("a==1\n")
    assert digest(files[0]) == before


@pytest.mark.parametrize(("builds", "chosen"), [(["2.13.0", "2.13.0+cpu"], "cpu"), (["2.13.0", "2.14.0+cpu"], "cuda")])
def test_the_build_of_torch_that_pip_finds_decides_about_cuda(
    builds: list[str], chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over 2 s: pip looks into a folder; and it is not told by what is installed, which may be the other build."""
    for version in builds:
        wheel(tmp_path, "torch", version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for name in ("requirements", "requirements-cpu", "requirements-cuda", "requirements-dev"):
        (tmp_path / f"{name}.txt").write_text("torch==2.13.0+cpu \\\n    --hash=sha256:00\n")
    assert install.for_this_machine(tmp_path / "requirements.txt") == tmp_path / f"requirements-{chosen}.txt"
    assert install.for_this_machine(tmp_path / "requirements-dev.txt") == tmp_path / "requirements-dev.txt"


def test_pip_takes_the_cpu_build_from_a_folder_by_its_digest(tmp_path: Path) -> None:
    """Over 2 s: pip looks into a folder."""
    plain, cpu = wheel(tmp_path, "torch", "2.13.0"), wheel(tmp_path, "torch", "2.13.0+cpu")
    (tmp_path / "requirements.txt").write_text(f"torch==2.13.0 --hash={plain} --hash={cpu}\n")
    file = tmp_path / "requirements-cpu.txt"
    file.write_text(f"-r requirements.txt\ntorch==2.13.0+cpu --hash={cpu}\n")
    done = dry_run(file, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Would install torch-2.13.0+cpu\n")
