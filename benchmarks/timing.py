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


@dataclass(frozen=True)
class Pair:
    """Wall seconds of both ways, run for run, one way and the other in turn."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    def row(self, what: str, peer: str, aim: str) -> tuple[str, ...]:
        """A line of the table: medians, and the median, least and largest of the ratios."""
        ratios = sorted(a / b for a, b in zip(self.ours, self.theirs, strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        medians = (f"{statistics.median(self.ours):.2f} s", f"{statistics.median(self.theirs):.2f} s")
        return what, medians[0], f"{medians[1]}: {peer}", spread, aim


def in_turn(ours: Callable[[], float], theirs: Callable[[], float], runs: int = 5) -> Pair:
    """Time both, after one warm-up of each; the callables give back seconds, and leave out what is not theirs."""
    ours(), theirs()
    both = [(ours(), theirs()) for _ in range(runs)]
    return Pair(tuple(a for a, _ in both), tuple(b for _, b in both))


def seconds(command: Sequence[str], folder: Path, allowed_codes: tuple[int, ...] = (0,)) -> float:
    """Wall seconds of a command run there; it must end with one of the codes."""
    env = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    spent = time.perf_counter() - start
    if done.returncode not in allowed_codes:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode} in {folder}:\n{done.stderr}")
    return spent


def git(folder: Path, *arguments: str) -> None:
    """Run git there."""
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)
