from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tasks.common.data.manifest import Example
from tasks.common.data.report import SetAside, check_share, read_source, write_report
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths

EXAMPLES = [
    Example(f"id{i}", split, label, f"d{i}", f"g{i}", f"line {i}")
    for i, (split, label) in enumerate([("train", "a|b"), ("test", "a"), ("validation", "b")])
]
ASIDE = [SetAside("line 9", "is empty")]


@pytest.fixture
def paths(tmp_path):
    at = TaskPaths(tmp_path, "posters")
    at.raw.mkdir(parents=True)
    at.prepared.mkdir()
    (at.raw / "source.json").write_text('{"name": "drawn", "synthetic": true}')
    return at


def test_the_report_names_what_was_set_aside_and_counts_the_rest(paths, capsys):
    repeated = [*EXAMPLES, replace(EXAMPLES[0], id="again", label="b")]
    write_report(
        paths, paths.prepared, repeated, ASIDE, labels_of=lambda e: e.label.split("|"), extra={"red_posters": 3}
    )
    counts = {
        "examples": 4,
        "set_aside": 1,
        "repeated": 1,
        "repeated_with_other_label": 1,
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    assert json.loads(paths.data_counts.read_text()) == counts
    report = json.loads((paths.prepared / "data_report.json").read_text())
    assert report == {
        **counts,
        "per_class": {"a": 2, "b": 3},
        "red_posters": 3,
        "set_aside_because": [{"source": "line 9", "reason": "is empty"}],
        "source": {"name": "drawn", "synthetic": True},
    }
    assert read_source(paths.prepared) == {"name": "drawn", "synthetic": True}
    assert capsys.readouterr().err == "prepare posters: 2 train, 1 validation, 1 test, 1 set aside\n"


def test_a_set_without_source_is_an_error(paths):
    (paths.raw / "source.json").unlink()
    with pytest.raises(TaskError, match=r"source\.json does not exist; run the stage fetch first"):
        write_report(paths, paths.prepared, EXAMPLES, [])
    (paths.prepared / "data_report.json").write_text("[]")
    with pytest.raises(TaskError, match="run the stage prepare again"):
        read_source(paths.prepared)


@pytest.mark.parametrize(
    ("n_aside", "n_kept", "share", "passes"),
    [(1, 9, 0.1, True), (2, 9, 0.1, False), (0, 0, 0, True), (1, 99, 0, False)],
)
def test_too_many_unusable_examples_are_an_error_that_names_the_first(n_aside, n_kept, share, passes):
    aside = [SetAside(f"line {i}", "is empty") for i in range(n_aside)]
    if passes:
        check_share(aside, n_kept, share, "here")
    else:
        with pytest.raises(TaskError, match=rf"here: {n_aside} of {n_aside + n_kept} .* line 0 \(is empty\)"):
            check_share(aside, n_kept, share, "here")
