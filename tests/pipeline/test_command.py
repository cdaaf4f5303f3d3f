"""Running one command: its log, its memory, its end, and what it cannot see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.pipeline.command import run_command, tail
from pawl.pipeline.environment import stage_environment
from tests.pipeline.dag import alive, wait_for
from tests.support.loop import measure
from tests.support.repositories import FILES, branch, git, make_repository, pawl


def run(tmp_path: Path, script: str) -> tuple[object, list[str]]:
    lines: list[str] = []
    command = [[sys.executable, "-c", script]]
    done = run_command(command, folder=tmp_path, env=dict(os.environ), log=tmp_path / "a" / "log", line=lines.append)
    return done, lines


def test_output_is_logged_and_passed_on_line_by_line(tmp_path: Path) -> None:
    done, lines = run(
        tmp_path, "import sys; print('one', flush=True); print('50 %\\r100 %', file=sys.stderr); sys.exit(3)"
    )
    assert lines == ["one", "50 %", "100 %"]
    assert done.exit_code == 3  # type: ignore[attr-defined]
    assert tail(tmp_path / "a" / "log", lines=2) == "50 %\n100 %"


def test_peak_memory_is_that_of_the_process(tmp_path: Path) -> None:
    small, _ = run(tmp_path, "import time; time.sleep(0.2)")
    large, _ = run(tmp_path, "x = bytearray(600_000_000)")
    assert 1_000_000 < small.peak_memory_bytes < 40_000_000  # type: ignore[attr-defined]
    assert 600_000_000 < large.peak_memory_bytes < 700_000_000  # type: ignore[attr-defined]


def test_a_signal_is_told_from_an_exit_code(tmp_path: Path) -> None:
    done, _ = run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert done.exit_code == -signal.SIGKILL  # type: ignore[attr-defined]


def test_a_stage_sees_no_secret_and_its_own_key(tmp_path: Path) -> None:
    spy = """
import json, os
json.dump(dict(os.environ), open('env.json', 'w'))
open('model.txt', 'w').write('1')
open('history.tsv', 'w').write('step\\tx\\n')
"""
    root = make_repository(tmp_path / "repository", {"train.py": spy, "pawl.yaml": "stage_environment: [KAGGLE_KEY]\n"})
    branch(root, "spy", {"params.yaml": "train:\n  rate: 2.0\n"})
    names = """GITHUB_TOKEN AWS_SECRET_ACCESS_KEY GOOGLE_APPLICATION_CREDENTIALS MLFLOW_TRACKING_PASSWORD
        GITHUB_ENV GITHUB_PATH GITHUB_OUTPUT GITHUB_STEP_SUMMARY
        ACTIONS_RUNTIME_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL MY_API_KEY NPM_PAT"""
    secrets = dict.fromkeys(names.split(), "t0ken")
    done = pawl(root, "plan", env=secrets)
    assert done.returncode == 0, done.stderr
    done = pawl(root, "reproduce", env=secrets | {"KAGGLE_KEY": "wanted", "HARMLESS": "yes"})
    assert done.returncode == 0, done.stderr
    import json

    seen = json.loads((root / "env.json").read_text())
    assert "t0ken" not in json.dumps(seen)
    assert (seen["KAGGLE_KEY"], seen["HARMLESS"]) == ("wanted", "yes")
    stages = json.loads((root / "reports" / "stages.json").read_text())["stages"]
    assert seen["PAWL_STAGE_KEY"] == next(
        s["stage_key"] for s in stages if s["name"] == "train" and s["side"] == "head"
    )


def test_base_imports_its_own_code_though_heads_is_installed(tmp_path: Path) -> None:
    """An editable install of the checkout must not supply base's stages with head's code."""
    importing = FILES["train.py"].replace("FACTOR = 1.0", "from strength import FACTOR")
    files = {"train.py": importing, "src/strength.py": "FACTOR = 1.0\n"}
    pipeline = FILES["dvc.yaml"].replace("deps: [train.py, data.txt]", "deps: [train.py, data.txt, src/strength.py]")
    root = make_repository(tmp_path / "repository", files | {"dvc.yaml": pipeline})
    branch(root, "stronger", {"src/strength.py": "FACTOR = 2.0\n"})
    here = str(Path(__file__).parents[2] / "src")
    done = pawl(root, "run", "--no-pictures", env={"PYTHONPATH": os.pathsep.join([str(root / "src"), here])})
    assert "accuracy 0.6 → 0.7" in done.stdout, done.stdout + done.stderr


def test_the_environment_keeps_what_is_no_secret() -> None:
    env = {
        "PATH": "/bin",
        "HOME": "/h",
        "KEYBOARD": "de",
        "MONKEY": "1",
        "CUDA_VISIBLE_DEVICES": "0",
        "SSH_AUTH_SOCK": "s",
    }
    kept = stage_environment(env, [], Path("/nowhere"), None)
    assert {name for name in env if name in kept} == set(env)
    assert "PAWL_STAGE_KEY" not in kept


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_stage_and_leaves_no_half_result(tmp_path: Path, number: signal.Signals) -> None:
    slow = "import os, pathlib, subprocess, sys, time\npathlib.Path('model.txt').write_text('half')\n"
    slow += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    slow += "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}')\ntime.sleep(600)\n"
    root = make_repository(
        tmp_path / "repository", {"train.py": slow, ".gitignore": "pids\n.pawl/\nreports/\nmodel.txt\n"}
    )
    branch(root, "slow", {"params.yaml": "train:\n  rate: 2.0\n"})
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pawl", "run"],
        cwd=root,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        # Started in the background of a shell without a terminal, the tests ignore it, and so would pawl.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: (root / "pids").exists() and (root / "pids").read_text())
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.terminate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not (root / "model.txt").exists()
    assert not (root / "dvc.lock").exists()
    for pid in (root / "pids").read_text().split():
        wait_for(lambda pid=pid: not alive(int(pid)))  # type: ignore[misc]
    assert git(root, "status", "--porcelain") == ""
    assert "another pawl" not in pawl(root, "plan").stderr


def test_two_at_once_are_refused(repository: Path) -> None:
    from pawl.session import exclusive

    with exclusive(repository):
        done = pawl(repository, "plan")
    assert done.returncode == 2
    assert f"another pawl (process {os.getpid()}) is at work" in done.stderr


def test_progress_says_what_runs(repository: Path) -> None:
    branch(repository, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    said = measure(repository).said
    assert said[0] == "plan: run 2 stages of head and 2 of base, restore 0"
    assert "base: evaluate runs" in said
