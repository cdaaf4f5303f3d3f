"""The cap on a DVC cache: how much stays, what stays, and who is respected."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.errors import InputError
from pawl.runner.cache import evict, in_use
from tests.runner.machine import SOURCE, Machine

OBJECTS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 1_000)), max_size=25)


def add(cache: Path, number: int, size: int, used: int, layout: str = "files/md5") -> Path:
    digest = f"{number:032x}"[::-1]
    path = cache / layout / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    path.chmod(0o444)
    os.utime(path, (used, used // 2))
    return path


def total(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())


@given(objects=OBJECTS, cap=st.integers(0, 20_000), layout=st.sampled_from(["files/md5", "."]))
def test_it_ends_under_its_cap_and_keeps_the_newest(
    objects: list[tuple[int, int]], cap: int, layout: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    records = [cache / "runs/ab" / ("ab" + "0" * 62) / "value", cache / "pawl/records/one.json"]
    for record in records:
        record.parent.mkdir(parents=True)
        record.write_text("receipt")
    paths = [(used, add(cache, number, size, used, layout), size) for number, (size, used) in enumerate(objects)]
    before = total(cache)
    found = evict(cache, cap)
    assert (found.before_bytes, found.after_bytes) == (before, total(cache))
    assert all(record.read_text() == "receipt" for record in records)
    kept = [(used, size) for used, path, size in paths if path.exists()]
    gone = [(used, size) for used, path, size in paths if not path.exists()]
    assert found.after_bytes <= cap or not kept
    assert not found.in_use
    assert found.removed == len(gone)
    if gone:
        newest_gone = max(gone)[0]
        assert all(used >= newest_gone for used, _ in kept)
        last_sizes = [size for used, size in gone if used == newest_gone]
        assert found.after_bytes + max(last_sizes) > cap  # nothing more than had to
    assert list((cache / "pawl/removed").iterdir()) == []


def test_what_was_read_lately_counts_as_new(tmp_path: Path) -> None:
    old, read = add(tmp_path, 1, 100, 1_000), add(tmp_path, 2, 100, 900)
    os.utime(read, (2_000, 10))
    evict(tmp_path, 100)
    assert (old.exists(), read.exists()) == (False, True)


def test_nothing_goes_while_somebody_works_with_it(tmp_path: Path) -> None:
    path = add(tmp_path, 1, 100, 0)
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
    code += "from pathlib import Path\nfrom pawl.runner.cache import in_use\n"
    code += f"with in_use(Path({str(tmp_path)!r})):\n    print('in', flush=True)\n    sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with in_use(tmp_path):  # any number of them
            pass
        assert evict(tmp_path, 0).in_use
        assert path.exists()
        other.kill()
    assert evict(tmp_path, 0).removed == 1
    assert not path.exists()


def test_what_a_killed_eviction_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "pawl/removed").mkdir(parents=True)
    (tmp_path / "pawl/removed/half").write_bytes(b"x" * 100)
    assert evict(tmp_path, 1_000).after_bytes == 0


@pytest.mark.parametrize("trap", ["pawl", "pawl/removed"])
def test_a_link_in_its_place_is_not_followed(tmp_path: Path, trap: str) -> None:
    elsewhere, cache = tmp_path / "elsewhere", tmp_path / "cache"
    (elsewhere / "removed").mkdir(parents=True)
    (elsewhere / "removed/precious").write_text("precious")
    (cache / trap).parent.mkdir(parents=True)
    (cache / trap).symlink_to(elsewhere if trap == "pawl" else elsewhere / "removed")
    with pytest.raises(InputError, match="is a link"):
        evict(cache, 0)
    assert (elsewhere / "removed/precious").exists()


def test_a_linked_folder_of_objects_is_not_entered(tmp_path: Path) -> None:
    outside = add(tmp_path / "outside", 1, 100, 0)
    (tmp_path / "cache/files").mkdir(parents=True)
    (tmp_path / "cache/files/md5").symlink_to(tmp_path / "outside/files/md5")
    assert evict(tmp_path / "cache", 0).removed == 0
    assert outside.exists()


def test_dvc_restores_what_stayed_and_fetches_what_went(repository: Path, tmp_path: Path) -> None:
    """A real repository: after an eviction to nothing, the remote's objects and the receipts give the results back."""

    def dvc(*arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout

    dvc("remote", "add", "--default", "--local", "storage", str(tmp_path / "remote"))
    dvc("repro", "--quiet")
    dvc("push", "--quiet")
    cache = repository / ".dvc/cache"
    runs = sorted(cache.glob("runs/*/*/*"))
    assert runs
    assert evict(cache, 0).removed > 0
    assert sorted(cache.glob("runs/*/*/*")) == runs
    dvc("pull", "--quiet", "--force")
    assert "up to date" in dvc("status")


def test_jobs_share_a_cache_that_is_capped_between_them(new_machine: Callable[..., Machine], open_folder: Path) -> None:
    cache = open_folder / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    (cache / "pawl").mkdir()
    (cache / "pawl").chmod(0o777)
    machine = new_machine(cache_folder=str(cache), cache_cap_bytes=1_000)
    gate = machine.folder / "gate"
    first = machine.runners.queue(
        "fills",
        f"mkdir -p {cache}/files/md5/ab && head -c 900 /dev/zero > {cache}/files/md5/ab/1 &&"
        f" head -c 900 /dev/zero > {cache}/files/md5/ab/2 && touch -d '2001-01-01' {cache}/files/md5/ab/1 &&"
        f" grep -q 'dir = {cache}' ~/.config/dvc/config && while ! test -e {gate}; do sleep 0.05; done",
    )
    machine.start()
    machine.wait(lambda: (cache / "files/md5/ab/2").exists() and "Running job" in machine.log, "filled cache")
    machine.wait(lambda: evict(cache, 10_000_000).in_use, "lock of the running job")
    gate.touch()
    assert machine.finished(first).conclusion == "Succeeded", machine.log
    machine.wait_for_log("removed 1 objects, 900 bytes are left")
    assert [path.name for path in (cache / "files/md5/ab").iterdir()] == ["2"]
