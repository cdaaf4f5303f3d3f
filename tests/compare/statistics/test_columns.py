"""Columns become arrays, whole, by no more than what that needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pawl.compare.statistics.predictions import read_predictions
from tests.compare.statistics.pairs import write


def test_a_column_in_several_parts_is_read_whole(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [f"e{i}" for i in range(7)],
            "target": [0, 1, 0, 1, 0, 1, 1],
            "prediction": [1, 1, 0, 1, 0, 0, 1],
            "value:cost": [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0],
        }
    )
    pq.write_table(table, tmp_path / "p.parquet", row_group_size=2)
    found = read_predictions(tmp_path / "p.parquet")
    assert list(found.ids) == table["id"].to_pylist()
    assert found.targets is not None
    assert found.predictions is not None
    assert (found.targets.tolist(), found.predictions.tolist()) == ([0, 1, 0, 1, 0, 1, 1], [1, 1, 0, 1, 0, 0, 1])
    assert found.values["cost"].tolist() == table["value:cost"].to_pylist()


def test_predictions_are_compared_without_pandas(tmp_path: Path) -> None:
    for side, said in (("base", ["cat", "dog", "cat"]), ("head", ["cat", "cat", "cat"])):
        scores = {"score_cat": [0.9, 0.6, 0.2], "score_dog": [0.1, 0.4, 0.8]}
        columns = {"id": ["x", "y", "z"], "target": ["cat", "dog", "cat"], "prediction": said}
        write(tmp_path / f"{side}.parquet", **columns, **scores)
    script = """
import sys
from pathlib import Path
from pawl.compare.two_files import compare_files
found = compare_files(Path("base.parquet"), Path("head.parquet"))
print(len(found.metrics) > 3, sorted({"pandas", "matplotlib"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "True []\n"
