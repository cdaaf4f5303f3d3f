from __future__ import annotations

import csv
from dataclasses import replace

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.data.manifest import (
    Example,
    check_classes,
    content_digest,
    join_groups,
    label_order,
    name_examples,
    read_manifest,
    write_manifest,
)
from tasks.common.stage.errors import TaskError


def example(number: int, split: str, label: str) -> Example:
    return Example(f"id{number}", split, label, f"digest{number}", f"group{number}", f"line {number}")


WIDE_AND_NARROW = "id,split,label,digest,group,source,width\n1,train,a,b,c,d\n"
SOUND = [
    example(3 * row + column, split, label)
    for row, label in enumerate(("yes", "no, or not yet"))
    for column, split in enumerate(("train", "validation", "test"))
]


def test_a_manifest_survives_its_file(tmp_path):
    write_manifest(tmp_path, SOUND, "here")
    assert read_manifest(tmp_path) == tuple(SOUND)


def test_measures_stand_beside_the_examples_and_copies_have_none(tmp_path):
    write_manifest(tmp_path, SOUND, "here", {"width": [640] * 5, "mean_intensity": [1 / 3, 2.0, 0.0, 254.75, 7.5]})
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["width"] for row in rows] == ["640"] * 5 + [""]
    assert [row["mean_intensity"] for row in rows] == ["0.333333", "2", "0", "254.75", "7.5", ""]
    assert read_manifest(tmp_path) == tuple(SOUND)


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ([*SOUND, replace(SOUND[0], id="new", split="test", group="new")], ("same digest", "train", "test", "new")),
        ([*SOUND, replace(SOUND[0], id="new", split="test", digest="new")], ("same group", "id0")),
        ([*SOUND, replace(SOUND[0])], ("id0", "2 examples")),
    ],
)
def test_leaks_are_errors_that_name_them(tmp_path, examples, words):
    with pytest.raises(TaskError) as caught:
        write_manifest(tmp_path, examples, "here")
    assert all(word in str(caught.value) for word in ("here", *words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        (SOUND[:-1], ('"no, or not yet"', "test split")),
        (SOUND[1:], ('"yes"', "train split")),
        (SOUND[:3], ("at least 2 classes",)),
    ],
)
def test_a_class_that_a_split_lacks_is_named(examples, words):
    with pytest.raises(TaskError) as caught:
        check_classes(examples, "here")
    assert all(word in str(caught.value) for word in ("here", *words))


def test_an_example_of_several_classes_counts_for_each():
    several = [replace(e, label=f"{e.label}|both") for e in SOUND]
    check_classes(several, "here", lambda e: e.label.split("|"))
    with pytest.raises(TaskError, match='"yes"'):
        check_classes(several[1:], "here", lambda e: e.label.split("|"))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("pqrstu")), max_size=12))
def test_joined_groups_are_the_connected_ones(rows):
    """Against a graph library: examples that share a digest or a group, however many steps away."""
    graph = nx.Graph()
    for digest, group in rows:
        graph.add_edge(("digest", digest), ("group", group))
    joined = join_groups([d for d, _ in rows], [g for _, g in rows])
    parts = list(nx.connected_components(graph))
    for (_, one), name in zip(rows, joined, strict=True):
        part = next(part for part in parts if ("group", one) in part)
        assert name == min(group for kind, group in part if kind == "group")


@pytest.mark.parametrize(
    "content", ["", "id,split\n1,train\n", "id,split,label,digest,group,source\n1,2\n", "\x00", WIDE_AND_NARROW]
)
def test_a_broken_manifest_says_what_to_do(tmp_path, content):
    (tmp_path / "manifest.csv").write_text(content)
    with pytest.raises(TaskError, match="run the stage prepare again"):
        read_manifest(tmp_path)


def test_a_manifest_that_was_edited_is_checked_again(tmp_path):
    write_manifest(tmp_path, SOUND, "here")
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text() + "other,test,yes,digest0,group0,line 9\n")
    with pytest.raises(TaskError, match="same digest"):
        read_manifest(tmp_path)


@given(st.lists(st.sampled_from(["a" * 20, "b" * 20, "a" * 16 + "b" * 4, "c" * 20])))
def test_ids_are_unique_and_follow_the_content(digests):
    ids = name_examples(digests)
    assert len(set(ids)) == len(ids)
    assert all(name.startswith(digest[:16]) for name, digest in zip(ids, digests, strict=True))


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_a_digest_tells_apart_what_only_its_borders_tell_apart(one, other):
    assert (content_digest(*one) == content_digest(*other)) == (one == other)


def test_labels_that_are_numbers_are_in_order_of_value():
    assert label_order(["10", "9", "b", "9", "a"]) == ("9", "10", "a", "b")
