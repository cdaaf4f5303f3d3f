"""Judging and reporting what is there already, pictures included, beside the pictures alone as DVC makes them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.six_tasks import clone_of
from benchmarks.timing import Row, git, in_turn, seconds

TASK = "pets"
"""Of the samples the one with the most test examples."""


def rows(scratch: Path, *, quick: bool = False) -> list[Row]:
    """Two rows; a pull request that changes the network is trained first, minutes.

    All pictures are drawn anew each time. DVC draws none: it writes their data for the reader's browser to draw.
    """
    root = changed_and_run(scratch / "report")
    pictures = len(list((root / "reports" / "plots").glob("*.png")))
    theirs, runs = ["dvc", "plots", "diff", "main", "-o", "plots.tmp"], 2 if quick else 5

    def row(what: str, *options: str) -> Row:
        def ours() -> float:
            return seconds(["pawl", "compare"], root) + seconds(["pawl", "report", *options], root)

        return in_turn(ours, lambda: seconds(theirs, root), runs=runs).row(
            f"pawl compare and pawl report of {TASK}, {what}", "dvc plots diff", "at most 0.5"
        )

    return [row(f"{pictures} pictures"), row("no pictures", "--no-pictures")]


def changed_and_run(root: Path) -> Path:
    """A clone with one task on a branch that trains for an epoch less, both sides run."""
    clone_of(root, (TASK,))
    (root / ".git" / "info" / "exclude").write_text("/plots.tmp\n", encoding="utf-8")
    print(f"benchmark: running {TASK} on main and on a branch", flush=True)
    seconds(["pawl", "run", "--base", "HEAD", "--all"], root)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "results")
    git(root, "checkout", "--quiet", "-b", "work")
    params = root / "params.yaml"
    before, block, after = params.read_text(encoding="utf-8").partition(f"\n{TASK}:\n")
    first, key, rest = after.partition("    epochs: ")
    number, _, rest = rest.partition("\n")
    params.write_text(f"{before}{block}{first}{key}{int(number) - 1}\n{rest}", encoding="utf-8")
    git(root, "commit", "--quiet", "--all", "--message", "an epoch less")
    seconds(["pawl", "run", "--base", "main"], root, allowed_codes=(0, 1))
    return root
