"""Images decoded in several processes: the same results, and no end of one that goes unnoticed or leaves another."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from tasks.common.data.images import Decoded, decode_images
from tests.tasks.checkouts import REPOSITORY
from tests.tasks.common import renders

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core decodes in one process")

T = TypeVar("T")

N_FILES = 80
STAGE = (sys.executable, str(REPOSITORY / "src/tasks/stage.py"), "prepare", "pets")


def files_in(folder: Path) -> list[Path]:
    """Photographs that all differ, every tenth of them unusable."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    files = [folder / f"{number}.png" for number in range(N_FILES)]
    for number, path in enumerate(files):
        Image.fromarray(np.roll(noise, number, axis=0)).save(path)
        if number % 10 == 5:
            path.write_bytes(b"no image")
    return files


def decode(folder: Path, render: Callable[[Image.Image], np.ndarray]) -> Decoded:
    scratch = folder / "scratch" / "decoded.npy"
    return decode_images(files_in(folder), render, "RGB", side=60, root=folder, scratch=scratch, label="prepare x")


def processes_of(found: Decoded) -> set[int]:
    return {int.from_bytes(pixels.tobytes(), "little") for pixels in found.images}


def test_processes_and_threads_give_the_same_in_order(tmp_path, capfd):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    in_threads = decode(here, lambda image: renders.slowly(image))
    in_processes = decode(there, renders.slowly)
    assert np.array_equal(in_threads.images, in_processes.images)
    for field in ("kept", "digests", "set_aside", "measured"):
        assert getattr(in_threads, field) == getattr(in_processes, field)
    assert list(in_processes.kept) == [number for number in range(N_FILES) if number % 10 != 5]
    for row, number in enumerate(in_processes.kept):
        assert np.array_equal(in_processes.images[row], np.asarray(Image.open(there / f"{number}.png")))
    assert "a library talks" in capfd.readouterr().err


def test_long_work_is_done_by_other_processes_too_and_what_they_cannot_do_by_this_one(tmp_path):
    assert len(processes_of(decode(tmp_path, renders.by_whom))) > 1
    assert processes_of(decode(tmp_path, lambda image: renders.by_whom(image))) == {os.getpid()}


def test_short_work_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(renders, "SECONDS", 0)
    assert processes_of(decode(tmp_path, renders.by_whom)) == {os.getpid()}


def test_an_error_in_a_process_is_that_error_here_and_leaves_no_process(tmp_path):
    before = set(children_of(os.getpid()))  # such as servers of other tests
    with pytest.raises(ZeroDivisionError, match="one divided by none"):
        decode(tmp_path, partial(renders.only_in, pid=os.getpid()))
    assert set(children_of(os.getpid())) <= before


def test_a_process_imports_no_more_than_it_needs():
    program = "import json, sys; import tasks.common.data.decoder_processes; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not imported & {"pydantic", "ruamel", "torch", "tensorflow", "multiprocessing", "rich"}


@pytest.mark.parametrize(("render", "n_processes"), [("renders.by_whom", "several"), ("of_the_script", "one")])
def test_a_script_without_a_guard_runs_once(tmp_path, render, n_processes):
    """A function of its own is run in its own process, because another has no such function."""
    files = [str(path) for path in files_in(tmp_path)]
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nprint('begins')\n"
        "from tasks.common.data.images import decode_images\nfrom tests.tasks.common import renders\n"
        "def of_the_script(image):\n    return renders.by_whom(image)\n"
        f"files = [Path(name) for name in {files!r}]\nroot = files[0].parent\n"
        f"found = decode_images(files, {render}, 'RGB', side=60, root=root, scratch=root / 's.npy', label='x')\n"
        "print('several' if len({row.tobytes() for row in found.images}) > 1 else 'one')\n"
    )
    env = os.environ | {"PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}"}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, timeout=120)
    assert done.stdout.split() == ["begins", n_processes], done.stderr


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root in which the stage prepare has seconds of work: the same large photograph, each file with another end."""
    root = tmp_path_factory.mktemp("pets")
    shutil.copy(REPOSITORY / "params.yaml", root)
    raw = root / "data" / "pets" / "raw"
    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    large = coarse.resize((2400, 1800), Image.Resampling.BICUBIC)
    large.save(root / "large.jpg", quality=90)
    content = (root / "large.jpg").read_bytes()
    for label in ("Cat", "Dog"):
        (raw / label).mkdir(parents=True)
        for number in range(300):
            (raw / label / f"{number}.jpg").write_bytes(content + f"{label} {number}".encode())
    (raw / "source.json").write_text("{}")
    return root


@pytest.fixture
def stage(photographs: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """`prepare` of them at work, and the processes that it has started; in a session of its own, as on a terminal."""
    process = subprocess.Popen(STAGE, cwd=photographs, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        children = soon(lambda: [pid for pid in children_of(process.pid) if cpu_ticks(pid) > 20])
        assert process.poll() is None
        yield process, children
    finally:
        process.kill()
        process.communicate()
        assert not (photographs / "data" / "pets" / "prepared").exists()


def test_a_process_that_is_killed_is_an_error_that_says_so(stage):
    process, children = stage
    os.kill(children[0], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.splitlines()[-1] == (
        "error: prepare pets: a process that decodes images was ended by the signal SIGKILL (out of memory?); "
        "run the stage again."
    )
    assert "Traceback" not in said
    assert soon(lambda: not any(map(is_running, children)))


def test_ctrl_c_ends_all_of_them_in_one_line(stage):
    process, children = stage
    # A terminal's Ctrl-C is for the stage alone, which may come to end them too late to spare one a traceback.
    assert not [pid for pid in children if os.getpgid(pid) == process.pid]
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted: prepare pets"
    assert "Traceback" not in said
    assert not any(map(is_running, children))


def test_they_end_with_a_stage_that_is_killed(stage):
    process, children = stage
    process.kill()
    assert soon(lambda: not any(map(is_running, children)))


def children_of(pid: int) -> list[int]:
    """Those of all its threads: a process is the child of the thread that started it."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in lists for child in children.read_text().split()]


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def soon(found: Callable[[], T], within_seconds: float = 60) -> T:
    """What is found, as soon as it is something."""
    deadline = time.monotonic() + within_seconds
    while not (result := found()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert result
    return result
