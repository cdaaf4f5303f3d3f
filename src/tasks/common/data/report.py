"""What prepare found: which examples are used, which were set aside and why, and the counts as a metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.common.data.manifest import Example, count_by, label_order
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import read_json, write_json
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

REPORT_FILE = "data_report.json"
SOURCE_FILE = "source.json"


@dataclass(frozen=True)
class SetAside:
    """One example that is not used."""

    source: str
    """Where a person finds it in the raw data, such as `line 12` or `train/Cat/7.jpg`."""
    reason: str


def check_share(set_aside: Sequence[SetAside], n_kept: int, max_share: float, where: str) -> None:
    """Raise TaskError where more than `max_share` of all examples cannot be used."""
    total = len(set_aside) + n_kept
    if set_aside and len(set_aside) > max_share * total:
        first = set_aside[0]
        raise TaskError(
            f"{where}: {len(set_aside)} of {total} examples cannot be used, the first is {first.source} "
            f"({first.reason}); correct them, or raise max_rejected_share in {PARAMS_FILE}."
        )


def write_report(
    paths: TaskPaths,
    folder: Path,
    examples: Sequence[Example],
    set_aside: Sequence[SetAside],
    *,
    labels_of: Callable[[Example], Sequence[str]] = lambda example: [example.label],
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write `folder/data_report.json` with what raw/source.json says, and the counts to results/<task>/data.json."""
    labels_by_digest: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        labels_by_digest[example.digest].add(example.label)
    labels = [label for example in examples for label in labels_of(example)]
    splits = sorted({example.split for example in examples}, key=_split_rank)
    counts = {
        "examples": len(examples),
        "set_aside": len(set_aside),
        "repeated": len(examples) - len(labels_by_digest),
        "repeated_with_other_label": sum(len(found) > 1 for found in labels_by_digest.values()),
        **count_by((example.split for example in examples), splits),
    }
    report = {
        **counts,
        "per_class": count_by(labels, label_order(labels)),
        **(extra or {}),
        "set_aside_because": [asdict(entry) for entry in set_aside],
        "source": read_json(paths.raw / SOURCE_FILE, "fetch"),
    }
    write_json(folder / REPORT_FILE, report)
    write_json(paths.data_counts, counts)
    aside = f", {len(set_aside)} set aside" if set_aside else ""
    say(f"prepare {paths.task}: {', '.join(f'{counts[split]} {split}' for split in splits)}{aside}")


def read_source(folder: Path) -> dict[str, Any]:
    """What the report in `folder` says of where the data came from. Raises TaskError."""
    report = read_json(folder / REPORT_FILE, "prepare")
    source = report.get("source") if isinstance(report, dict) else None
    if not isinstance(source, dict):
        raise TaskError(f"{folder / REPORT_FILE} does not say where the data came from; run the stage prepare again.")
    return source


def _split_rank(split: str) -> tuple[int, str]:
    order = ("train", "validation", "test")
    return (order.index(split) if split in order else len(order), split)
