"""Install a file of pinned requirements into the environment of the Python that runs this.

What is installed is exactly what the file has digests of: what has to be built is built by what was installed before,
and nothing is fetched for it. Only the standard library is used: nothing is installed yet.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
BUILD = "requirements-build.txt"


def for_this_machine(requirements: Path) -> Path:
    """The file beside it for the build of torch that pip finds here, `-cpu` or `-cuda`; itself where there is none.

    Not by looking for a card: without one, too, the other build cannot be imported without the libraries of CUDA. And
    not left to pip: among files with the right digest it takes one from an index before a better one from a folder.
    """
    cpu, cuda = (requirements.with_name(f"{requirements.stem}-{build}.txt") for build in ("cpu", "cuda"))
    if not (cpu.exists() and cuda.exists()):
        return requirements
    pinned = re.search(r"^torch==(\S+\+cpu)\b", cpu.read_text(encoding="utf-8"), re.MULTILINE)
    command = [*PIP, "index", "versions", "torch"]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    available = re.search(r"^Available versions: (.*)", found, re.MULTILINE)
    return cpu if pinned and available and pinned[1] in available[1].split(", ") else cuda


def install(requirements: Path) -> None:
    """Install them. Raises OSError where the file is missing, CalledProcessError where pip fails; it has said why."""
    command = [*PIP, "install", "--quiet", "--require-hashes", "--no-build-isolation", "--requirement"]
    build = requirements.with_name(BUILD)
    if build.exists():
        subprocess.run([*command, str(build)], check=True)
    subprocess.run([*command, str(for_this_machine(requirements))], check=True)


def main() -> int:
    """Install the file that is named on the command line; 1 where pip cannot."""
    try:
        install(Path(sys.argv[1]).absolute())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"install: {sys.argv[1]} cannot be installed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
