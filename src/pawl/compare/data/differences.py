"""How the examples of base and head differ: by the manifests that list them, or by DVC's listings of their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pawl.compare.data.columns import Codes, Examples, codes_of, in_one_order, names_at, no_examples, occurs_in
from pawl.compare.data.distributions import classes_of, shifts, split_differences
from pawl.compare.data.findings import findings_between, findings_of_side
from pawl.compare.data.listing import examples_of_listing
from pawl.compare.data.manifest import Note, read_manifest
from pawl.schema import DataDifference

if TYPE_CHECKING:
    import numpy as np


_LEARNT = {"train", "training"}
_TESTED = {"test", "testing", "eval", "evaluation", "holdout"}


def manifest_difference(
    name: str, path: str, base: Path | None, head: Path | None, note: Note = lambda _: None
) -> DataDifference | None:
    """Compare two manifests: CSV files with a column `id`, and split, label, digest and numbers where they have them.

    name, path: what the data are called, and where the manifest lies in the project. base, head: the files, None where
    a side has none. None where nothing differs and nothing is wrong, and where a side cannot be read: then `note` is
    called with a sentence that says why, as it is for whatever else is not as it should be.
    """
    on_base = read_manifest(base, f"{path} of base", note) if base is not None else no_examples()
    on_head = read_manifest(head, f"{path} of head", note) if head is not None else no_examples()
    if on_base is None or on_head is None:
        return None
    return _difference(name, path, "manifest", on_base, on_head, note)


def listing_difference(
    name: str, path: str, base: Mapping[str, str], head: Mapping[str, str], note: Note = lambda _: None
) -> DataDifference | None:
    """Compare two listings of a folder, path -> digest, as `listing_of` reads them; empty where a side has none.

    Splits and classes are told from the folders' names. None where nothing differs and nothing is wrong.
    """
    return _difference(name, path, "listing", examples_of_listing(base), examples_of_listing(head), note)


def _difference(
    name: str, path: str, source: Literal["manifest", "listing"], base: Examples, head: Examples, note: Note
) -> DataDifference | None:
    import numpy as np

    ids, digests = (codes_of(base, head, column) for column in ("ids", "digests"))
    labels = in_one_order(codes_of(base, head, "labels"))
    splits = codes_of(_with_splits(base), _with_splits(head), "splits")
    added = np.flatnonzero(~occurs_in(ids.base, ids.head))
    removed = np.flatnonzero(~occurs_in(ids.head, ids.base))
    at_base, at_head = _shared(ids)
    content_known = (digests.base[at_base] >= 0) & (digests.head[at_head] >= 0)
    other_content, other_label = (_other(codes, at_base, at_head) for codes in (digests, labels))
    changed = at_head[np.where(content_known, other_content, other_label)]
    moved = int(_other(splits, at_base, at_head).sum()) if base.splits is not None and head.splits is not None else 0
    if moved:
        note(f"{path}: {moved:,} examples are in another split than on base.")
        learnt = _learnt_then_tested(splits, at_base, at_head)
        if learnt:
            known = f"{learnt:,} of the examples that head tests on"
            note(f"{path}: base learnt from {known}, so base's model judged there (--rescore) looks better than it is.")
    classes = classes_of(labels)
    found = [
        *findings_of_side("head", head.ids, digests.head, splits.head, labels.head),
        *findings_of_side("base", base.ids, digests.base, splits.base, labels.base),
        *findings_between(head.ids, digests, labels),
    ]
    moving = shifts(base, head)
    if not (len(added) or len(removed) or len(changed) or moved or found or moving):
        return None
    return DataDifference(
        name=name,
        path=path,
        source=source,
        base_files=len(base.ids),
        head_files=len(head.ids),
        added=len(added),
        removed=len(removed),
        changed=len(changed),
        added_names=names_at(head.ids, added),
        removed_names=names_at(base.ids, removed),
        changed_names=names_at(head.ids, changed),
        splits=split_differences(splits, labels, classes),
        shifts=moving,
        findings=tuple(found),
    )


def _other(codes: Codes, at_base: np.ndarray, at_head: np.ndarray) -> np.ndarray:
    """(M,) bool: whether the texts in these rows are known on both sides, and differ."""
    base, head = codes.base[at_base], codes.head[at_head]
    differ: np.ndarray = (base != head) & (base >= 0) & (head >= 0)
    return differ


def _learnt_then_tested(splits: Codes, at_base: np.ndarray, at_head: np.ndarray) -> int:
    """How many of these examples are in base's training split and in head's test split."""
    import numpy as np

    words = [str(split or "").lower() for split in splits.values.to_pylist()]
    learnt, tested = (np.array([*(word in known for word in words), False]) for known in (_LEARNT, _TESTED))
    return int((learnt[splits.base[at_base]] & tested[splits.head[at_head]]).sum())


def _with_splits(side: Examples) -> Examples:
    """The side, with all its examples in one split called `all` where it has no splits."""
    import pyarrow as pa

    if side.splits is not None:
        return side
    return Examples(side.ids, pa.array(["all"] * len(side.ids), pa.string()))


def _shared(ids: Codes) -> tuple[np.ndarray, np.ndarray]:
    """Rows of base and of head that have the same id, pairwise, in head's order."""
    import numpy as np

    row_on_base = np.full(len(ids.values), -1)
    row_on_base[ids.base] = np.arange(len(ids.base))
    at_base = row_on_base[ids.head]
    at_head = np.flatnonzero(at_base >= 0)
    return at_base[at_head], at_head
