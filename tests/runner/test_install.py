"""The installation, laid out below a folder from an archive of the tests' own program, and then put to work."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from configparser import RawConfigParser
from pathlib import Path

import pytest

from pawl.runner.settings import Settings, load_settings
from tests.runner.machine import PROGRAM, Machine

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy/runner"


def install(root: Path, *options: str, program: Path = PROGRAM, sha256: str = "") -> subprocess.CompletedProcess[str]:
    archive = root.parent / "program.tar.gz"
    if not archive.exists():
        with tarfile.open(archive, "w:gz") as tar:
            for path in sorted(program.glob("*.*")):
                tar.add(path, path.name)
    digest = sha256 or hashlib.sha256(archive.read_bytes()).hexdigest()
    command = [str(DEPLOY / "install.sh"), "--root", str(root), "--archive", str(archive), *options]
    environment = os.environ | {"PAWL_TEST_ARCHIVE_SHA256": digest}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_installed_twice_and_put_to_work(new_machine: Callable[..., Machine], open_folder: Path) -> None:
    root = open_folder / "root"
    done = install(root, "--slots", "2")
    assert done.returncode == 0, done.stderr
    settings = load_settings(root / "etc/pawl-runner.toml")
    assert (settings.slots, settings.users) == (2, ["pawl-job-1", "pawl-job-2"])
    assert (root / "etc/pawl-runner").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/systemd/system/pawl-runner.service").read_bytes() == (
        DEPLOY / "pawl-runner.service"
    ).read_bytes()
    before = sorted(path for path in root.rglob("*") if "__pycache__" not in path.parts)
    (root / "etc/pawl-runner.toml").write_text("# mine\n")
    (root / "opt/pawl-runner/src/pawl/errors.py").write_text("changed")
    again = install(root, "--slots", "2")
    assert again.returncode == 0, again.stderr
    assert sorted(root.rglob("*")) == before
    assert (root / "etc/pawl-runner.toml").read_text() == "# mine\n"
    assert (root / "opt/pawl-runner/src/pawl/errors.py").read_bytes() == (
        REPOSITORY / "src/pawl/errors.py"
    ).read_bytes()

    machine = new_machine(runner_folder=str(root / "var/lib/pawl-runner/actions-runner"))
    job = machine.runners.queue("first")
    command = [sys.executable, "-P", "-m", "pawl.runner", "--once", "--config", str(machine.write_settings())]
    environment = {"PYTHONPATH": str(root / "opt/pawl-runner/src"), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, job.conclusion) == (0, "Succeeded"), ran.stderr


def test_an_archive_that_was_tampered_with_is_not_unpacked(tmp_path: Path) -> None:
    done = install(tmp_path / "root", sha256="0" * 64)
    assert done.returncode == 1
    assert "nothing of it was unpacked" in done.stderr
    assert not list((tmp_path / "root").rglob("run.sh"))
    assert [path.name for path in (tmp_path / "root/var/lib/pawl-runner").glob(".download*")] == []


@pytest.mark.parametrize("options", [["--slots", "0"], ["--slots", "1; id"], ["--nonsense"]])
def test_options_that_are_wrong(tmp_path: Path, options: list[str]) -> None:
    done = install(tmp_path / "root", *options)
    assert done.returncode == 2
    assert not (tmp_path / "root").exists()


def test_shellcheck_is_silent() -> None:
    scripts = [str(path) for path in (DEPLOY / "install.sh", PROGRAM / "run.sh")]
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([str(program), *scripts], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_unit_leaves_time_for_a_job_and_asks_the_supervisor_alone() -> None:
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "pawl-runner.service")
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) >= Settings.model_fields["grace_seconds"].default + 60
    assert (service["KillMode"], service["Restart"], service["NoNewPrivileges"]) == ("mixed", "always", "yes")
    assert f"/run/{service['RuntimeDirectory']}" == str(Settings.model_fields["lease_folder"].default)
    assert "CAP_SYS_ADMIN" not in service["CapabilityBoundingSet"]


def test_the_supervisor_needs_no_package_beyond_those_of_the_report() -> None:
    """Nothing else is installed on the machine."""
    code = """if True:
        import sys
        before = set(sys.modules)
        from pawl.runner.__main__ import main
        import pawl.runner.supervisor, jwt, requests, cryptography
        new = {name for name in set(sys.modules) - before if getattr(sys.modules[name], "__file__", None)}
        tops = {name.partition(".")[0] for name in new}
        print(*(tops - set(sys.stdlib_module_names)))
    """
    environment = {"PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    lines = (REPOSITORY / "requirements-report.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].strip().lower().replace("-", "_") for line in lines if "==" in line}
    pinned |= {"jwt", "_cffi_backend"} if {"pyjwt", "cffi"} <= pinned else set()
    own = {"pawl"}
    assert {name for name in done.stdout.split() if not name.startswith("_sysconfigdata")} - pinned - own == set()
