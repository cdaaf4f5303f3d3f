"""Files are replaced together or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pawl.errors import InputError
from pawl.report.document import write_reports
from pawl.report.files import write_together

from . import examples
from .examples import Run

LIMITED = """
import resource, sys
from pathlib import Path
from pawl.errors import InputError
from pawl.report.files import write_together
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
try:
    write_together({folder / "small.md": b"new", folder / "large.html": b"x" * 5_000})
except InputError as error:
    print(error)
"""


def written(folder: Path, run: Run, *, pictures: bool = False) -> list[Path]:
    return write_reports(folder, run.plan, run.stages, run.comparison, run.tracking, pictures=pictures)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_refused_write_leaves_the_old_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "small.md").write_bytes(b"old")
    (tmp_path / "large.html").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (
        f"{tmp_path}/large.html cannot be written (file too large): "
        "free space there or make it writable, then run `pawl report` again.\n"
    )
    assert names(tmp_path) == ["large.html", "small.md"]
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"old"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def on_full_device(dir: Path, prefix: str, suffix: str) -> tuple[int, str]:  # noqa: A002
        name = Path(dir) / f"{prefix}x{suffix}"
        name.touch()
        return os.open("/dev/full", os.O_WRONLY), str(name)

    monkeypatch.setattr("tempfile.mkstemp", on_full_device)
    with pytest.raises(InputError, match=r"a\.md cannot be written \(no space left on device\): free space there"):
        write_together({tmp_path / "a.md": b"new"})
    assert names(tmp_path) == []


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("not a folder")
    with pytest.raises(InputError, match=r"reports/report\.md cannot be written \("):
        written(tmp_path / "reports", examples.unchanged())


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "report.md").symlink_to(outside)
    written(folder, examples.unchanged())
    assert outside.read_text() == "mine"
    assert not (folder / "report.md").is_symlink()


def test_pictures_are_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "plots").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"plots is a link"):
        written(tmp_path, examples.better())
    assert names(tmp_path) == []


def test_a_run_leaves_exactly_its_own_files(tmp_path: Path) -> None:
    plots = tmp_path / "plots"
    plots.mkdir()
    for name in (
        "curves-gone.png",
        "confusion-gone-2.svg",
        "flips-gone.png",
        "classes.svg",
        "mine.png",
        "curves-notes.txt",
    ):
        (plots / name).write_text("old")
    paths = written(tmp_path, examples.better(), pictures=True)
    made = [f"{name}.{kind}" for name in ("confusion-digits", "curves-digits", "forest") for kind in ("png", "svg")]
    kept = ["curves-notes.txt", "mine.png"]
    assert names(tmp_path) == sorted([*(f"plots/{n}" for n in made + kept), "report.html", "report.md"])
    assert sorted(str(path.relative_to(tmp_path)) for path in paths) == sorted(
        [*(f"plots/{n}" for n in made), "report.html", "report.md"]
    )
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in paths)
    written(tmp_path, examples.unchanged(), pictures=True)
    assert names(tmp_path) == sorted([*(f"plots/{n}" for n in kept), "report.html", "report.md"])


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in written(tmp_path / "a", examples.worse(), pictures=True)}
    second = {path.name: path.read_bytes() for path in written(tmp_path / "b", examples.worse(), pictures=True)}
    assert len(first) == 2 + 2 * 6
    assert first == second


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    heavy = "{'jinja2', 'vl_convert', 'pandas'}"
    loaded = f"import sys, pawl.report.document; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
