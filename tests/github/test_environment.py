"""The environment that jobs share: made once, under a lock, and believed only when it is complete."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.github.load import GITHUB, load

SCRIPT = GITHUB / "actions" / "setup" / "environment.py"
environment = load("actions/setup/environment.py")


def test_the_digest_covers_all_that_is_included(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    top, inner, deep = tmp_path / "a.txt", tmp_path / "more" / "b.txt", tmp_path / "more" / "c.txt"
    top.write_text("x==1\n-r more/b.txt\n")
    inner.write_text("y==1\n-r c.txt\n-r ../a.txt\n")
    deep.write_text("z==1\n")
    before = environment.digest(top)
    for path in (top, inner, deep):
        text = path.read_text()
        path.write_text(text.replace("==1", "==2"))
        assert environment.digest(top) != before
        path.write_text(text)
    assert environment.digest(top) == before
    assert environment.digest(GITHUB.parent / "requirements.txt") != environment.digest(
        GITHUB.parent / "requirements-report.txt"
    )


def make_file(folder: Path) -> None:
    folder.mkdir()
    (folder / "made").write_text(str(time.monotonic_ns()))


def test_what_is_complete_is_kept_and_what_is_not_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "environments" / "key"
    assert environment.ensure(folder, make_file) is True
    first = (folder / "made").read_text()
    assert environment.ensure(folder, make_file) is False
    assert (folder / "made").read_text() == first

    folder.with_name("key.complete").unlink()  # as a job leaves it that was killed
    (folder / "half").touch()
    assert environment.ensure(folder, make_file) is True
    assert not (folder / "half").exists()


def test_a_failed_installation_is_not_taken_for_an_environment(tmp_path: Path) -> None:
    folder = tmp_path / "key"

    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        environment.ensure(folder, fail)
    assert environment.ensure(folder, make_file) is True


def test_two_jobs_at_once_make_it_once(tmp_path: Path) -> None:
    program = f"""
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("environment", {str(SCRIPT)!r})
environment = importlib.util.module_from_spec(spec); spec.loader.exec_module(environment)
def make(folder):
    folder.mkdir()
    with open({str(tmp_path / "log")!r}, "a") as log: log.write("made\\n")
    time.sleep(0.5)
    (folder / "whole").touch()
environment.ensure(Path({str(tmp_path / "key")!r}), make)
sys.exit(not (Path({str(tmp_path / "key")!r}) / "whole").exists())
"""
    jobs = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [job.wait(60) for job in jobs] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_environments_that_nobody_uses_go_away(tmp_path: Path) -> None:
    for name in ("old", "young", "kept"):
        environment.ensure(tmp_path / name, make_file)
    long_ago = time.time() - (environment.UNUSED_DAYS + 1) * 86_400
    for name in ("old", "kept"):
        os.utime(tmp_path / f"{name}.complete", (long_ago, long_ago))
    assert environment.remove_unused(tmp_path, {tmp_path / "kept"}, time.time()) == [tmp_path / "old"]
    assert not (tmp_path / "old").exists()
    assert (tmp_path / "young" / "made").exists()
    assert (tmp_path / "kept" / "made").exists()


def run_action(tmp_path: Path, requirements: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The action's one command, with files for it to tell the runner in."""
    workspace = tmp_path / "workspace"
    workspace.mkdir(exist_ok=True)
    (workspace / "requirements.txt").write_text(requirements)
    for name in ("path", "env"):
        (tmp_path / name).write_text("")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_PATH": str(tmp_path / "path"),
        "GITHUB_ENV": str(tmp_path / "env"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "PAWL_ENVIRONMENTS": str(tmp_path / "environments"),
        "REQUIREMENTS": "requirements.txt",
        "PIP_NO_INDEX": "1",
    }
    return subprocess.run([sys.executable, str(SCRIPT)], env=env | more, capture_output=True, text=True)


def test_pawl_is_this_checkouts_and_runs_on_the_kept_environment(tmp_path: Path) -> None:
    """Over 2 s: it makes a real virtual environment."""
    first = run_action(tmp_path, "# nothing\n")
    assert (first.returncode, "environment: made" in first.stdout) == (0, True), first.stdout + first.stderr
    second = run_action(tmp_path, "# nothing\n")
    assert (second.returncode, "environment: kept" in second.stdout) == (0, True), second.stdout + second.stderr

    assert (tmp_path / "env").read_text() == f"PYTHONPATH={tmp_path / 'workspace' / 'src'}\n"
    package = tmp_path / "workspace" / "src" / "pawl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("import sys; print('ours', sys.prefix, sys.argv[1:])")
    # In the current directory, which must not be imported from: it may hold anything.
    (tmp_path / "pawl.py").write_text("print('not ours')")
    paths = (tmp_path / "path").read_text().splitlines()
    env = {
        "PATH": os.pathsep.join([*reversed(paths), "/usr/bin", "/bin"]),
        "PYTHONPATH": str(tmp_path / "workspace" / "src"),
    }
    done = subprocess.run(["pawl", "plan", "a b"], env=env, cwd=tmp_path, capture_output=True, text=True)
    kept = tmp_path / "environments" / environment.digest(tmp_path / "workspace" / "requirements.txt")
    assert done.stdout == f"ours {kept} ['plan', 'a b']\n"


def test_this_checkouts_pawl_goes_before_one_that_is_installed(tmp_path: Path) -> None:
    """The environment that runs the tests has pawl installed from another folder."""
    requirements = "# nothing\n"
    (tmp_path / "workspace" / "src" / "pawl").mkdir(parents=True)
    (tmp_path / "workspace" / "src" / "pawl" / "__init__.py").write_text("")
    (tmp_path / "workspace" / "src" / "pawl" / "__main__.py").write_text("print('ours')")
    (tmp_path / "workspace" / "requirements.txt").write_text(requirements)
    kept = tmp_path / "environments" / environment.digest(tmp_path / "workspace" / "requirements.txt")
    kept.parent.mkdir()
    kept.symlink_to(Path(sys.executable).parents[1])
    kept.with_name(f"{kept.name}.complete").touch()
    assert run_action(tmp_path, requirements).returncode == 0
    paths = reversed((tmp_path / "path").read_text().splitlines())
    env = {"PATH": os.pathsep.join([*paths, "/usr/bin", "/bin"])}
    env |= dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    done = subprocess.run(["pawl"], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "ours\n"


@pytest.mark.parametrize("requirements", ["no-such-package-anywhere==1\n", "-r missing.txt\n"])
def test_what_cannot_be_installed_ends_in_a_sentence(tmp_path: Path, requirements: str) -> None:
    """Over 2 s for the first: it makes a real virtual environment."""
    done = run_action(tmp_path, requirements)
    assert done.returncode == 2
    assert "setup: the environment of" in done.stdout
    assert "Traceback" not in done.stderr


def test_cml_that_cannot_be_installed_is_no_error(tmp_path: Path) -> None:
    """An npm that fails, as it does without a network; the environment is there already."""
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 1\n')
    npm.chmod(0o755)
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "requirements.txt").write_text("# nothing\n")
    kept = tmp_path / "environments" / environment.digest(tmp_path / "workspace" / "requirements.txt")
    environment.ensure(kept, make_file)
    path = os.pathsep.join([str(npm.parent), os.environ["PATH"]])

    assert run_action(tmp_path, "# nothing\n", PATH=path, CML="false").returncode == 0
    assert not (tmp_path / "asked").exists()
    done = run_action(tmp_path, "# nothing\n", PATH=path, CML="true")
    assert done.returncode == 0
    assert "::warning::CML cannot be installed" in done.stdout
    assert (tmp_path / "asked").read_text().split()[-1] == "@dvcorg/cml@0.20.6"
