"""Two manifests, or two listings, against each other: what came, went, changed, moved and leaks."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.compare.data.differences import listing_difference, manifest_difference
from pawl.schema import MAX_CLASSES, MAX_NAMES, MAX_SPLITS, DataDifference
from tests.compare.data.manifests import differ, finding, write_manifest

ROWS = st.lists(
    st.tuples(
        st.sampled_from([f"e{i}" for i in range(12)]),
        st.sampled_from(["train", "validation", "test"]),
        st.sampled_from(["cat", "dog", "a|b", ""]),
        st.sampled_from(["", *(f"d{i}" for i in range(8))]),
    ),
    min_size=1,
    max_size=16,
    unique_by=lambda row: row[0],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


def test_what_came_went_and_changed_is_counted_and_named(folder: Path) -> None:
    base = [("a", "train", "cat", "1"), ("b", "train", "dog", "2"), ("c", "test", "cat", "3")]
    head = [
        ("a", "train", "cat", "1"),
        ("c", "test", "cat", "33"),
        ("d", "test", "dog", "4"),
        ("e", "test", "cat", "5"),
    ]
    found = differ(folder, base, head)
    assert found is not None
    assert (found.name, found.path, found.source) == ("pets", "data/manifest.csv", "manifest")
    assert (found.base_files, found.head_files) == (3, 4)
    assert (found.added, found.removed, found.changed) == (2, 1, 1)
    assert (found.added_names, found.removed_names, found.changed_names) == (("d", "e"), ("b",), ("c",))
    assert [(split.split, split.base, split.head) for split in found.splits] == [("train", 2, 1), ("test", 1, 3)]
    test = found.splits[1]
    assert [(count.label, count.base, count.head) for count in test.classes] == [("cat", 1, 2), ("dog", 0, 1)]


def test_equal_manifests_differ_in_nothing(folder: Path) -> None:
    rows = [(f"e{i}", "train", "cat", f"d{i}") for i in range(5)]
    assert differ(folder, rows, rows) is None
    assert differ(folder, rows, rows[::-1]) is None
    assert differ(folder, None, None) is None


def test_a_side_without_the_manifest_has_no_examples(folder: Path) -> None:
    rows = [("a", "train", "cat", "1"), ("b", "test", "dog", "2")]
    came, went = differ(folder, None, rows), differ(folder, rows, None)
    assert came is not None
    assert went is not None
    assert (came.base_files, came.added, came.removed) == (0, 2, 0)
    assert (went.head_files, went.added, went.removed) == (0, 0, 2)
    assert all(split.p_value is None and split.test is None for split in came.splits)


def test_leaks_and_contradictions_are_found(folder: Path) -> None:
    base = [("a", "train", "cat", "1"), ("b", "train", "dog", "2"), ("c", "test", "dog", "3")]
    head = [*base[:2], ("c", "test", "cat", "3"), ("d", "test", "cat", "1"), ("e", "test", "dog", "4"),
            ("f", "test", "cat", "4")]  # fmt: skip
    found = differ(folder, base, head)
    leak = finding(found, "in two splits", "head")
    assert leak is not None
    assert (leak.count, leak.names) == (2, ("a", "d"))
    other = finding(found, "same content, other label", "head")
    assert other is not None
    assert (other.count, other.names) == (2, ("e", "f"))
    repeated = finding(found, "repeated", "head")
    assert repeated is not None
    assert (repeated.count, repeated.names) == (2, ("d", "f"))
    anew = finding(found, "same content, other label", "between")
    assert anew is not None
    assert (anew.count, anew.names) == (1, ("c",))
    assert not [each for each in found.findings if each.side == "base"]  # type: ignore[union-attr]


def test_what_was_wrong_before_is_said_of_base(folder: Path) -> None:
    base = [("a", "train", "cat", "1"), ("b", "test", "cat", "1")]
    found = differ(folder, base, base[:1])
    assert finding(found, "in two splits", "base")
    assert not finding(found, "in two splits", "head")


def test_several_labels_in_another_order_are_the_same(folder: Path) -> None:
    base = [("a", "train", "x|y", "1"), ("b", "train", "y", "2")]
    assert differ(folder, base, [("a", "train", "y|x", "1"), ("b", "train", "y", "2")]) is None
    found = differ(folder, base, [("a", "train", "x", "1"), ("b", "train", "y", "2")])
    assert finding(found, "same content, other label", "between")


def test_without_digests_another_label_is_a_change(folder: Path) -> None:
    columns = ("id", "label")
    found = differ(folder, [("a", "cat"), ("b", "dog")], [("a", "dog"), ("b", "dog")], columns)
    assert found is not None
    assert (found.changed, found.changed_names, found.findings) == (1, ("a",), ())
    assert [split.split for split in found.splits] == ["all"]


def test_a_column_that_only_one_side_has_changes_no_example(folder: Path) -> None:
    base = write_manifest(folder / "base.csv", [("a",), ("b",)], ["id"])
    head = write_manifest(folder / "head.csv", [("a", "train", "cat", "1"), ("b", "test", "dog", "2")])
    assert manifest_difference("pets", "m.csv", base, head) is None
    found = manifest_difference("pets", "m.csv", base, write_manifest(head, [("a", "train", "cat", "1")]))
    assert found is not None
    assert (found.removed, found.changed) == (1, 0)
    assert {split.split: (split.base, split.head) for split in found.splits} == {"all": (2, 0), "train": (0, 1)}


def test_examples_that_only_change_places_between_splits_are_a_difference(folder: Path) -> None:
    notes: list[str] = []
    base = [("a", "train", "cat", "1"), ("b", "test", "cat", "2")]
    head = [("a", "test", "cat", "1"), ("b", "train", "cat", "2")]
    found = differ(folder, base, head, notes=notes)
    assert found is not None
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    assert notes == [
        "data/manifest.csv: 2 examples are in another split than on base.",
        "data/manifest.csv: base learnt from 1 of the examples that head tests on, so base's model judged there "
        "(--rescore) looks better than it is.",
    ]


@given(ROWS, ROWS)
def test_counts_add_up_and_swapping_the_sides_swaps_them(folder: Path, base: list, head: list) -> None:
    there, back = differ(folder, base, head), differ(folder, head, base)
    before, after = ({row[0]: row for row in rows} for rows in (base, head))
    if there is None:
        assert back is None
        assert before.keys() == after.keys()
        assert all(before[i][3] == after[i][3] for i in before)
        return
    assert back is not None
    assert there.head_files - there.base_files == there.added - there.removed
    assert (there.added, there.removed) == (len(after.keys() - before), len(before.keys() - after))
    assert set(there.added_names) == after.keys() - before
    assert sum(split.base for split in there.splits) == len(base)
    assert sum(split.head for split in there.splits) == len(head)
    assert (there.added, there.removed, there.changed) == (back.removed, back.added, back.changed)
    assert (there.added_names, there.removed_names) == (back.removed_names, back.added_names)
    swapped = {"base": "head", "head": "base"}
    ours = Counter((each.kind, each.side, each.count) for each in there.findings if each.side != "between")
    theirs = Counter((each.kind, swapped[each.side], each.count) for each in back.findings if each.side != "between")
    assert ours == theirs
    for one, other in zip(there.splits, sorted(back.splits, key=lambda s: names(there).index(s.split)), strict=True):
        assert (one.base, one.head, one.p_value) == (other.head, other.base, pytest.approx(other.p_value))


def names(difference: DataDifference) -> list[str]:
    return [split.split for split in difference.splits]


@given(ROWS)
def test_findings_are_those_of_a_plain_count(folder: Path, rows: list) -> None:
    found = differ(folder, [], rows)
    known = [row for row in rows if row[3]]
    splits, labels = ({row[3]: set() for row in known} for _ in range(2))
    for _, split, label, digest in known:
        splits[digest].add(split)
        labels[digest].add(label)
    expected = {
        "in two splits": [row[0] for row in known if len(splits[row[3]]) > 1],
        "same content, other label": [row[0] for row in known if len(labels[row[3]]) > 1],
        "repeated": [row[0] for n, row in enumerate(known) if row[3] in {other[3] for other in known[:n]}],
    }
    for kind, ids in expected.items():
        each = finding(found, kind, "head")
        assert (each.names, each.count) == (tuple(ids), len(ids)) if each else not ids


def test_everything_is_bounded(folder: Path) -> None:
    rng = random.Random(0)
    texts = ["<img src=x>" * 500, "\u202e@team #1", "a\0b", "`|`" * 300, "🐈" * 400, "\x1b[31m"]
    base = [
        (f"{rng.choice(texts)}{i}", f"split {i % 50} {texts[i % 6]}", f"{texts[i % 6]}{i}", "same") for i in range(400)
    ]
    head = [(f"{row[0]}!", *row[1:3], "other") for row in base]
    found = differ(folder, base, head)
    assert found is not None
    assert len(found.added_names) == len(found.removed_names) == MAX_NAMES
    assert len(found.splits) == MAX_SPLITS
    assert all(len(split.classes) <= MAX_CLASSES for split in found.splits)
    assert len(found.model_dump_json()) < 500_000
    assert DataDifference.model_validate_json(found.model_dump_json()) == found


def test_only_the_commonest_classes_are_listed_in_their_order(folder: Path) -> None:
    rows = [(f"e{k}-{i}", "train", f"class {k}", "") for k in range(150) for i in range(2 if k < 100 else 1)]
    found = differ(folder, rows, rows[:-1])
    assert found is not None
    assert [count.label for count in found.splits[0].classes] == [f"class {k}" for k in range(100)]


def test_folders_tell_the_splits_and_classes_of_a_listing() -> None:
    base = {"train/cat/1.jpg": "a", "train/dog/2.jpg": "b", "test/cat/3.jpg": "c", "README": "r"}
    head = {**base, "test/dog/4.jpg": "a", "train/dog/2.jpg": "bb"}
    found = listing_difference("pets", "data/raw", base, head)
    assert found is not None
    assert (found.source, found.base_files, found.head_files) == ("listing", 4, 5)
    assert (found.added_names, found.changed_names) == (("test/dog/4.jpg",), ("train/dog/2.jpg",))
    assert [(split.split, split.base, split.head) for split in found.splits] == [("train", 2, 2), ("test", 1, 2)]
    assert [(c.label, c.base, c.head) for c in found.splits[1].classes] == [("cat", 1, 1), ("dog", 0, 1)]
    leak = finding(found, "in two splits", "head")
    assert leak is not None
    assert leak.names == ("test/dog/4.jpg", "train/cat/1.jpg")
    assert finding(found, "same content, other label", "head")


@pytest.mark.parametrize("nested", [["b/c/d.npy", "e/f.npy"], ["b/d.npy", "b/f.npy"], ["train/1.npy", "b/f.npy/2"]])
def test_folders_that_mean_nothing_are_no_classes(nested: list[str]) -> None:
    rest = dict(zip(nested, "12", strict=True))
    found = listing_difference("shards", "data", {"a.npy": "1"} | rest, {"a.npy": "9"} | rest)
    assert found is not None
    assert [(split.split, split.base, split.head, split.classes) for split in found.splits] == [("all", 3, 3, ())]


def test_a_file_beside_the_splits_is_in_none() -> None:
    listed = {"1.jpg": "a", "train/cat/1.jpg": "a", "test/dog/2.jpg": "b"}
    found = listing_difference("pets", "data", listed, listed)
    assert found is not None
    assert [(each.kind, each.side, each.names) for each in found.findings] == [
        ("repeated", side, ("train/cat/1.jpg",)) for side in ("head", "base")
    ]
    assert [(split.split, split.base) for split in found.splits] == [("train", 1), ("test", 1)]


def test_empty_files_are_no_repeated_examples() -> None:
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    listed = {"train/x/.gitkeep": empty, "test/x/.gitkeep": empty}
    assert listing_difference("x", "x", listed, listed) is None


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=8),
       st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=8))  # fmt: skip
def test_any_listing_is_a_record(base: dict[str, str], head: dict[str, str]) -> None:
    found = listing_difference("x", "x", base, head)
    if found is not None:
        assert DataDifference.model_validate_json(found.model_dump_json()) == found
        assert (found.added, found.removed) == (len(head.keys() - base), len(base.keys() - head))
    else:
        assert base == head


def test_half_characters_in_a_listing_are_shown_as_escapes() -> None:
    found = listing_difference("x", "x", {}, {"\ud800.jpg": "\udfff"})
    assert found is not None
    assert found.added_names == ("\\ud800.jpg",)


def test_the_known_one_is_read_where_quoted_cells_hold_line_breaks(folder: Path) -> None:
    path = write_manifest(folder / "quoted.csv", [("a\nb", "train", "cat, or\ndog", "1")])
    assert '"' in path.read_text(encoding="utf-8")
    found = differ(folder, [], [("a\nb", "train", "cat, or\ndog", "1")])
    assert found is not None
    assert found.added_names == ("a\nb",)
    assert found.splits[0].classes[0].label == "cat, or\ndog"
