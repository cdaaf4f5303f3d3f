from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tasks.common.stage.errors import TaskError
from tasks.download.kaggle import CHUNK_BYTES as BLOCK
from tasks.download.kaggle import MAX_FAILURES, read_credentials
from tasks.download.run import download_task
from tests.fakes.kaggle import KEY, TOKEN, USERNAME, FakeKaggle, Fault
from tests.tasks.checkouts import REPOSITORY

FILES = {
    "train.csv": b"id_code,diagnosis\na,0\n",
    "train_images/a.png": np.random.default_rng(0).bytes(3_000_000),
    "test_images/b.png": b"second",
}


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKaggle]:
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    with FakeKaggle(zipped(FILES)) as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    """The seconds that were waited, instead of waiting."""
    return []


@pytest.fixture
def download(kaggle: FakeKaggle, waits: list[float], tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """A function that downloads into `dataset` and gives back what is there then."""

    def run() -> dict[str, bytes]:
        target = tmp_path / "dataset"
        download_task("retinopathy", target, address=kaggle.address, sleep=waits.append)
        assert [p.name for p in tmp_path.iterdir()] == ["dataset"], "nothing unfinished is left beside it"
        return {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}

    return run


def test_all_files_arrive(download, kaggle):
    assert download() == FILES
    assert len(kaggle.requests) == 2


def test_the_older_kind_of_token_works_too(download, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", USERNAME)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    assert download() == FILES


def test_the_token_goes_to_kaggle_alone_and_is_never_shown(download, kaggle, capsys):
    kaggle.faults = [Fault(status=500), Fault(send_bytes=1000, on_files=True)]
    download()
    assert {request.authorization for request in kaggle.requests if request.host == "api"} == {f"Bearer {TOKEN}"}
    assert {request.authorization for request in kaggle.requests if request.host == "files"} == {None}
    said = capsys.readouterr()
    assert TOKEN not in said.out + said.err
    assert TOKEN not in repr(read_credentials())


def test_an_answer_that_breaks_off_is_gone_on_with(download, kaggle, waits):
    kaggle.faults = [Fault(send_bytes=16 * BLOCK, on_files=True), Fault(send_bytes=8 * BLOCK, on_files=True)]
    assert download() == FILES
    ranges = [request.range for request in kaggle.requests if request.host == "files"]
    assert ranges == [None, f"bytes={16 * BLOCK}-", f"bytes={24 * BLOCK}-"]
    assert len(waits) == 2


def test_an_interrupted_download_is_gone_on_with_by_the_next_command(download, kaggle):
    kaggle.faults = [Fault(send_bytes=32 * BLOCK, on_files=True), *[Fault(status=503, on_files=True)] * MAX_FAILURES]
    with pytest.raises(TaskError, match="run the same command again"):
        download()
    kaggle.faults.clear()
    assert download() == FILES
    assert kaggle.requests[-1].range == f"bytes={32 * BLOCK}-"
    assert kaggle.requests[-1].if_range == '"v1"'


def test_other_data_than_the_part_is_of_is_fetched_anew(download, kaggle):
    kaggle.faults = [Fault(send_bytes=1_000_000, on_files=True), *[Fault(status=503, on_files=True)] * MAX_FAILURES]
    with pytest.raises(TaskError):
        download()
    kaggle.faults.clear()
    files = FILES | {"train_images/a.png": np.random.default_rng(1).bytes(2_500_000)}
    kaggle.archive, kaggle.etag = zipped(files), '"v2"'
    assert download() == files


def test_a_host_without_ranges_is_asked_for_everything_again(download, kaggle):
    kaggle.knows_ranges = False
    kaggle.faults = [Fault(send_bytes=1_000_000, on_files=True)]
    assert download() == FILES


def test_a_part_that_is_too_long_is_fetched_anew(download, kaggle, tmp_path):
    kaggle.faults = [Fault(send_bytes=1_000_000, on_files=True), *[Fault(status=503, on_files=True)] * MAX_FAILURES]
    with pytest.raises(TaskError):
        download()
    kaggle.faults.clear()
    (part,) = tmp_path.rglob("*.part")
    with part.open("ab") as file:
        file.write(bytes(5_000_000))
    assert download() == FILES


def test_too_many_requests_wait_as_long_as_they_are_told_but_not_for_ever(download, kaggle, waits):
    kaggle.faults = [
        Fault(status=429, headers={"Retry-After": "7"}),
        Fault(status=429, headers={"Retry-After": "9999"}),
    ]
    assert download() == FILES
    assert waits == [7, 120]


def test_progress_starts_the_count_of_failures_anew(download, kaggle):
    step = 2 * BLOCK
    kaggle.faults = [Fault(send_bytes=step, on_files=True) for _ in range(2 * MAX_FAILURES)]
    assert download() == FILES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "wrong"}, "does not accept the token in KAGGLE_API_TOKEN"),
        ({"rules": False}, "accept its rules at https://www.kaggle.com/c/aptos2019-blindness-detection/rules"),
        ({"token": ""}, "Kaggle wants a token"),
        ({"token": "two words"}, "odd characters"),
        ({"status": 404}, "has no competition"),
        ({"status": 418}, "answered 418"),
        ({"page": True}, "a page instead of the files"),
    ],
)
def test_a_refusal_is_one_sentence_with_a_remedy(download, kaggle, monkeypatch, waits, change, words):
    monkeypatch.setenv("KAGGLE_API_TOKEN", change.get("token", TOKEN))
    kaggle.rules_accepted = change.get("rules", True)
    if "status" in change:
        kaggle.faults = [Fault(status=change["status"])]
    if "page" in change:
        kaggle.faults = [Fault(status=200, headers={"Content-Type": "text/html"})]
    with pytest.raises(TaskError, match=words):
        download()
    assert waits == []


def test_a_site_that_cannot_be_reached_is_given_up(tmp_path, monkeypatch, waits):
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    with pytest.raises(TaskError, match="in 6 attempts"):
        download_task("retinopathy", tmp_path / "d", address="http://127.0.0.1:9", sleep=waits.append)
    assert waits == sorted(waits)


def test_a_token_is_not_sent_in_the_open(tmp_path, kaggle):
    with pytest.raises(TaskError, match="not an https address"):
        download_task("retinopathy", tmp_path / "d", address="http://example.com")


@pytest.mark.parametrize(
    ("task", "words"), [("digits", "no download for digits"), ("nothing", "no download for nothing")]
)
def test_a_task_without_a_download_is_one_sentence(tmp_path, kaggle, task, words):
    with pytest.raises(TaskError, match=words):
        download_task(task, tmp_path / "d", address=kaggle.address)


def test_a_folder_with_files_is_left_alone(download, kaggle, tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine").touch()
    with pytest.raises(TaskError, match="is not empty"):
        download()
    assert not kaggle.requests


def test_an_archive_without_what_the_task_needs_is_not_unpacked(download, kaggle, tmp_path):
    kaggle.archive = zipped({"train.csv": b"x"})
    with pytest.raises(TaskError, match="has no train_images"):
        download()
    assert not (tmp_path / "dataset").exists()


def test_the_command_downloads_and_has_no_token_in_its_arguments(kaggle, tmp_path):
    """About 3 s: a process of its own."""
    program = "import sys, typer; from tasks.commands.download import download; typer.run(download)"
    arguments = ["retinopathy", "--out-path", "dataset", "--address", kaggle.address]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dataset" / "train_images" / "a.png").read_bytes() == FILES["train_images/a.png"]
    assert "3 files" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
