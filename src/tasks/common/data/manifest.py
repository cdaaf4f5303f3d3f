"""The manifest: every example's id, split, label, content digest and group. Splits live here, never in folders."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from tasks.common.data.splits import SPLITS, SplitParams, assign_splits
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_file

MANIFEST_FILE = "manifest.csv"


@dataclass(frozen=True)
class Example:
    """One row of the manifest; row i describes example i of the arrays or tables beside it."""

    id: str
    """Made from the content, so that it stays the same when other examples come or go."""
    split: str
    label: str
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
    labels: Sequence[str], digests: Sequence[str], sources: Sequence[str], params: SplitParams
) -> tuple[Example, ...]:
    """The manifest's rows, named and split; equal content is one group. One entry an example in each argument."""
    splits = assign_splits(labels, digests, params)
    ids = name_examples(digests)
    return tuple(
        Example(id=ids[i], split=splits[i], label=labels[i], digest=digests[i], group=digests[i], source=sources[i])
        for i in range(len(labels))
    )


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
    """Raise TaskError where content leaks between splits, an id repeats, or a class is missing in a split."""
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
    found: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        found[example.label].add(example.split)
    if len(found) < 2:
        raise TaskError(f"{where}: there must be at least 2 classes, but there is {len(found)}; check the target.")
    for label in label_order(found):
        for split in SPLITS:
            if split not in found[label]:
                raise TaskError(
                    f'{where}: the class "{label}" has no example in the {split} split; '
                    "add examples of it, enlarge the split's fraction in params.yaml, or remove the class."
                )


def write_manifest(folder: Path, examples: Sequence[Example], where: str) -> None:
    """Check the examples and write them to `folder/manifest.csv`. Raises TaskError as check_manifest does."""
    check_manifest(examples, where)
    with new_file(folder / MANIFEST_FILE) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Example))
        writer.writerows(astuple(example) for example in examples)


def read_manifest(folder: Path) -> tuple[Example, ...]:
    """The examples of `folder/manifest.csv`, checked again. Raises TaskError."""
    path = folder / MANIFEST_FILE
    columns = [field.name for field in fields(Example)]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise TaskError(f"{path} does not exist; run the stage prepare first.") from None
    except (csv.Error, UnicodeDecodeError):
        raise TaskError(f"{path} is not a CSV file; run the stage prepare again.") from None
    if not rows or rows[0] != columns or any(len(row) != len(columns) for row in rows):
        raise TaskError(f"{path} does not have the columns {', '.join(columns)}; run the stage prepare again.")
    examples = tuple(Example(*row) for row in rows[1:])
    check_manifest(examples, str(path))
    return examples
