"""The manifest: every example's id, split, label, content digest and group. Splits live here, never in folders."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.splits import SPLITS, SplitParams, assign_splits
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_file

if TYPE_CHECKING:
    import numpy as np

MANIFEST_FILE = "manifest.csv"


@dataclass(frozen=True)
class Example:
    """One row of the manifest; row i describes example i of the arrays or tables beside it."""

    id: str
    """Made from the content, so that it stays the same when other examples come or go."""
    split: str
    """`train`, `validation` or `test`, or where every example is tested once, its fold."""
    label: str
    """Its class; several are joined by `|`."""
    digest: str
    """Of the example's content without its label."""
    group: str
    """Examples of one group are never in two splits."""
    source: str
    """Where a person finds it in the raw data, such as `line 12`."""


def content_digest(*parts: bytes) -> str:
    """SHA-256 over the parts, in which the border between two parts counts: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def name_examples(digests: Sequence[str]) -> list[str]:
    """One id for each digest: its first 16 digits, and for repeated content a counter, unique in the list."""
    seen: Counter[str] = Counter()
    names = []
    for digest in digests:
        stem = digest[:16]
        seen[stem] += 1
        names.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return names


def split_examples(
    labels: Sequence[str],
    digests: Sequence[str],
    sources: Sequence[str],
    params: SplitParams,
    groups: Sequence[str] | None = None,
) -> tuple[Example, ...]:
    """The manifest's rows, named and split. One entry an example in each argument.

    Equal content is one group, and so is what `groups` (such as patients) puts together.
    """
    joined = join_groups(digests, groups or digests)
    splits = assign_splits(labels, joined, params)
    ids = name_examples(digests)
    return tuple(
        Example(id=ids[i], split=splits[i], label=labels[i], digest=digests[i], group=joined[i], source=sources[i])
        for i in range(len(labels))
    )


def targets_of(examples: Sequence[Example], labels: Sequence[str], split: str) -> np.ndarray:
    """(N,) int64: the place in `labels` of the label of each example of a split, in the manifest's order."""
    import numpy as np

    number_of = {label: number for number, label in enumerate(labels)}
    return np.array([number_of[example.label] for example in examples if example.split == split], np.int64)


def join_groups(digests: Sequence[str], groups: Sequence[str]) -> list[str]:
    """One group for each example, so that neither equal digests nor equal groups are in two; named by the least one.

    >>> join_groups(["a", "b", "b", "c"], ["p", "p", "q", "r"])
    ['p', 'p', 'p', 'r']
    """
    leader = {group: group for group in groups}

    def find(group: str) -> str:
        while leader[group] != group:
            leader[group] = leader[leader[group]]
            group = leader[group]
        return group

    first: dict[str, str] = {}
    for digest, group in zip(digests, groups, strict=True):
        one, other = sorted((find(first.setdefault(digest, group)), find(group)))
        leader[other] = one
    return [find(group) for group in groups]


def count_by(values: Iterable[str], order: Iterable[str]) -> dict[str, int]:
    """How often each of `order` is among the values, in that order."""
    counts = Counter(values)
    return {name: counts[name] for name in order}


def label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels, whole numbers by value and before other texts."""

    def rank(label: str) -> tuple[bool, int, str]:
        is_number = label.isascii() and label.isdigit()
        return (not is_number, int(label) if is_number else 0, label)

    return tuple(sorted(set(labels), key=rank))


def check_manifest(examples: Sequence[Example], where: str) -> None:
    """Raise TaskError where content or a group is in two splits, or an id repeats."""
    for what in ("digest", "group"):
        home: dict[str, Example] = {}
        for example in examples:
            first = home.setdefault(getattr(example, what), example)
            if first.split != example.split:
                raise TaskError(
                    f"{where}: {first.id} ({first.source}) and {example.id} ({example.source}) have the same {what}, "
                    f"but one is in {first.split} and the other in {example.split}; run the stage prepare again."
                )
    ids = Counter(example.id for example in examples)
    for name, count in ids.items():
        if count > 1:
            raise TaskError(f"{where}: the id {name} stands for {count} examples; run the stage prepare again.")


def check_classes(
    examples: Sequence[Example],
    where: str,
    labels_of: Callable[[Example], Sequence[str]] = lambda example: [example.label],
) -> None:
    """Raise TaskError where there is one class only, or a class is missing in a split."""
    found: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        for label in labels_of(example):
            found[label].add(example.split)
    if len(found) < 2:
        raise TaskError(f"{where}: there must be at least 2 classes, but there is {len(found)}; check the target.")
    for label in label_order(found):
        for split in SPLITS:
            if split not in found[label]:
                raise TaskError(
                    f'{where}: the class "{label}" has no example in the {split} split; '
                    "add examples of it, enlarge the split's fraction in params.yaml, or remove the class."
                )


def write_manifest(
    folder: Path,
    examples: Sequence[Example],
    where: str,
    measures: Mapping[str, Sequence[int | float]] | None = None,
) -> None:
    """Check the examples and write them to `folder/manifest.csv`. Raises TaskError as check_manifest does.

    measures: further columns, such as `width` or `mean_intensity`, that let one data set be compared with another; the
    examples come first, and what lies beyond a column's end (such as copies) has no value.
    """
    columns = measures or {}
    check_manifest(examples, where)
    with new_file(folder / MANIFEST_FILE) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(field.name for field in fields(Example)), *columns])
        for row, example in enumerate(examples):
            writer.writerow([*astuple(example), *(_text(values, row) for values in columns.values())])


def _text(values: Sequence[int | float], row: int) -> str:
    if row >= len(values):
        return ""
    value = values[row]
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def read_manifest(folder: Path) -> tuple[Example, ...]:
    """The examples of `folder/manifest.csv`, without measures, checked again. Raises TaskError."""
    path = folder / MANIFEST_FILE
    columns = [field.name for field in fields(Example)]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise TaskError(f"{path} does not exist; run the stage prepare first.") from None
    except (csv.Error, UnicodeDecodeError):
        raise TaskError(f"{path} is not a CSV file; run the stage prepare again.") from None
    if not rows or rows[0][: len(columns)] != columns or any(len(row) != len(rows[0]) for row in rows):
        raise TaskError(f"{path} does not have the columns {', '.join(columns)}; run the stage prepare again.")
    examples = tuple(Example(*row[: len(columns)]) for row in rows[1:])
    check_manifest(examples, str(path))
    return examples
