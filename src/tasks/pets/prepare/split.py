"""Which photographs train, choose the epoch, and judge; a test part that the source has stays the test split."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.common.data.manifest import Example, name_examples
from tasks.common.data.splits import SplitParams, assign_splits
from tasks.pets.prepare.layout import TEST

# Where the test split is given, only one cut is left to make: what assign_splits calls test is the validation split.
_ONE_CUT = {"test": "validation", "validation": "train", "train": "train"}


def split_photographs(
    labels: Sequence[str],
    digests: Sequence[str],
    sources: Sequence[str],
    parts: Sequence[str | None],
    params: SplitParams,
) -> tuple[Example, ...]:
    """The manifest's rows, one for each entry of the four lists; equal files are one group.

    With parts, `validation_fraction` is of the train part and `test_fraction` has no meaning.
    """
    if any(part is not None for part in parts):
        rest = [index for index, part in enumerate(parts) if part != TEST]
        one_cut = params.model_copy(update={"test_fraction": params.validation_fraction})
        cut = assign_splits([labels[i] for i in rest], [digests[i] for i in rest], one_cut)
        split_of = {index: _ONE_CUT[split] for index, split in zip(rest, cut, strict=True)}
        splits = [split_of.get(index, "test") for index in range(len(labels))]
    else:
        splits = assign_splits(labels, digests, params)
    ids = name_examples(digests)
    return tuple(
        Example(id=ids[i], split=splits[i], label=labels[i], digest=digests[i], group=digests[i], source=sources[i])
        for i in range(len(labels))
    )
