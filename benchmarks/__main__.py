"""`make bench`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.loop import rows
from pawl.pipeline.environment import describe_machine

HEADINGS = ("what", "pawl", "beside", "ratio: median (least to largest)", "aim")


def main() -> None:
    """Print every timing as a Markdown table."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as folder:
        # Set-up left by an earlier run of the developer's own must not count.
        os.environ["DVC_SITE_CACHE_DIR"] = f"{folder}/site"
        table = rows(Path(folder) / "scratch")
    load = os.getloadavg()[0]
    print(f"\n{machine.device}, {machine.cpu_count} cores, Python {machine.python}; load at the end {load:.1f}.\n")
    for row in (HEADINGS, ("---",) * len(HEADINGS), *table):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
