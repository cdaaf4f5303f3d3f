"""Running two ways of doing the same in turn, and saying how they compare."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1]

Row = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """Wall seconds of both ways, run for run, one way and the other in turn."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    def row(self, what: str, peer: str, aim: str) -> Row:
        """A line of the table: medians, and the median, least and largest of the ratios of seconds."""
        ratios = [a / b for a, b in zip(self.ours, self.theirs, strict=True)]
        medians = (f"{statistics.median(self.ours):.2f} s", f"{statistics.median(self.theirs):.2f} s")
        return what, medians[0], f"{medians[1]}: {peer}", _spread(ratios, ".2f"), aim

    def times_row(self, what: str, peer: str, aim: str) -> Row:
        """The same, with how many times as fast ours is."""
        ratios = [b / a for a, b in zip(self.ours, self.theirs, strict=True)]
        medians = [f"{statistics.median(seconds):.2f} s" for seconds in (self.ours, self.theirs)]
        return what, medians[0], f"{medians[1]}: {peer}", f"times {_spread(ratios, '.1f')}", aim

    def rate_row(self, what: str, count: int, unit: str, peer: str, aim: str, digits: int = 1) -> Row:
        """The same of rates: how many of `count` units a second, and how many times as many ours are."""
        ratios = [b / a for a, b in zip(self.ours, self.theirs, strict=True)]
        rates = [f"{count / statistics.median(seconds):,.0f} {unit}/s" for seconds in (self.ours, self.theirs)]
        return what, rates[0], f"{rates[1]}: {peer}", f"times {_spread(ratios, f'.{digits}f')}", aim


def in_turn(ours: Callable[[], float], theirs: Callable[[], float], runs: int = 5, warm_up: bool = True) -> Pair:
    """Time both, after one warm-up of each; the callables give back seconds, and leave out what is not theirs."""
    if warm_up:
        ours(), theirs()
    both = [(ours(), theirs()) for _ in range(runs)]
    return Pair(tuple(a for a, _ in both), tuple(b for _, b in both))


def spent(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def seconds(command: Sequence[str], folder: Path, allowed_codes: tuple[int, ...] = (0,)) -> float:
    """Wall seconds of a command run there; it must end with one of the codes."""
    env = os.environ | {
        # A user's Python compiles a program once; both sides are installed, so both have that behind them.
        "PYTHONDONTWRITEBYTECODE": "",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode not in allowed_codes:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode} in {folder}:\n{done.stderr}")
    return wall


def peak_mib() -> float:
    """The most memory that this process has had at once, in MiB.

    As the kernel has it of the program itself: what resource.getrusage gives is never less than the memory of the
    process that started this one.
    """
    [line] = [line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if "VmHWM" in line]
    return int(line.split()[1]) / 1024


def git(folder: Path, *arguments: str) -> None:
    """Run git there."""
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def _spread(ratios: Sequence[float], format_: str) -> str:
    shown = [format(value, format_) for value in (statistics.median(ratios), min(ratios), max(ratios))]
    return shown[0] if len(ratios) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"
