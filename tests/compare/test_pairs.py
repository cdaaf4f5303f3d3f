"""Which files of a folder of results are looked at."""

from __future__ import annotations

from pathlib import Path

from pawl.compare import pairs


def test_files_are_found_at_any_depth_in_one_order(tmp_path: Path) -> None:
    for name in ("b/p.parquet", "a/deep/er/p.parquet", "a/x", "p.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(pairs._files_in(tmp_path)) == ["p.parquet", "a/x", "a/deep/er/p.parquet", "b/p.parquet"]
