"""Making and removing a job's folder, also where the job tried to prevent it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pawl.runner.users import JobUser, as_user
from pawl.runner.workspace import make, wipe, wipe_temporary
from tests.runner.machine import PROGRAM, own_uids

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")


@pytest.fixture
def user() -> JobUser:
    number = own_uids()
    return JobUser(number, number, (), str(number))


@as_root
def test_read_only_folders_are_removed_without_roots_rights_too(open_folder: Path, user: JobUser) -> None:
    os.chown(open_folder, user.uid, user.gid)
    folder = open_folder / "job"

    def fill_and_wipe() -> None:
        (folder / "a/b/c").mkdir(parents=True)
        (folder / "a/b/c/file").touch()
        for path in (folder / "a/b/c", folder / "a/b", folder / "a", folder):
            path.chmod(0)
        wipe(folder)

    assert as_user(user, fill_and_wipe)
    assert not folder.exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("precious")
    precious.chmod(0o555)
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "link").symlink_to(precious)
    wipe(folder)
    (tmp_path / "job").symlink_to(precious)
    wipe(folder)
    assert not folder.is_symlink()
    assert (precious / "file").read_text() == "precious"
    assert precious.stat().st_mode & 0o777 == 0o555
    wipe(folder)  # nothing there is as good


@as_root
def test_the_job_owns_its_folder_and_cannot_change_the_program_itself(open_folder: Path, user: JobUser) -> None:
    program = open_folder / "program"
    program.mkdir()
    (program / "run.sh").write_bytes((PROGRAM / "run.sh").read_bytes())
    made = make(open_folder / "job", program, None, user)
    assert (made.program / "run.sh").stat().st_ino == (program / "run.sh").stat().st_ino  # no second copy on the disk

    def replace_and_try_to_change() -> None:
        (made.program / "extra").touch()
        (made.home / "file").touch()
        with pytest.raises(PermissionError):
            (made.program / "run.sh").write_text("changed")
        with pytest.raises(PermissionError):
            (made.program / "run.sh").chmod(0o777)
        (made.program / "run.sh").unlink()
        (made.program / "run.sh").write_text("mine")

    assert as_user(user, replace_and_try_to_change)
    assert (program / "run.sh").read_bytes() == (PROGRAM / "run.sh").read_bytes()
    assert made.folder.stat().st_mode & 0o777 == 0o700


@as_root
def test_a_program_that_the_job_could_change_is_copied(open_folder: Path, user: JobUser) -> None:
    program = open_folder / "program"
    program.mkdir()
    (program / "run.sh").touch()
    (program / "run.sh").chmod(0o777)
    made = make(open_folder / "job", program, None, user)
    assert (made.program / "run.sh").stat().st_ino != (program / "run.sh").stat().st_ino


@as_root
def test_only_the_jobs_own_files_leave_the_temporary_folders(tmp_path: Path, user: JobUser) -> None:
    (tmp_path / "theirs/inside").mkdir(parents=True)
    (tmp_path / "their-file").touch()
    (tmp_path / "their-link").symlink_to(tmp_path / "ours")
    (tmp_path / "ours").mkdir()
    for name in ("theirs", "their-file", "their-link"):
        os.chown(tmp_path / name, user.uid, user.gid, follow_symlinks=False)
    wipe_temporary(user, (tmp_path, tmp_path / "absent"))
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


@as_root
def test_as_user_has_no_way_back(user: JobUser) -> None:
    def try_it() -> None:
        assert (os.getuid(), os.geteuid(), os.getgid(), os.getgroups()) == (user.uid, user.uid, user.gid, [])
        with pytest.raises(PermissionError):
            os.setuid(0)

    assert as_user(user, try_it)
    assert os.geteuid() == 0
    assert not as_user(user, lambda: 1 / 0)  # type: ignore[arg-type,return-value]
