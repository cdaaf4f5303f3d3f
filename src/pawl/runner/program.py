"""GitHub's runner program: how it is started, and what it says."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import IO

from pawl.publish.github_api import one_line
from pawl.runner.leases import Lease
from pawl.runner.processes import MARK
from pawl.runner.settings import Settings
from pawl.runner.users import JobUser
from pawl.runner.workspace import Workspace

_CONFIG = "ACTIONS_RUNNER_INPUT_JITCONFIG"
"""Read and then removed by the program; as an option, it would stand in the list of processes for everybody."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_JOB = re.compile(r"Z: Running job: (.+)")
_RESULT = re.compile(r"Z: Job .+ completed with result: (\w+)")
_LINE_BYTES = 4_000


def job_environment(
    settings: Settings, made: Workspace, gpus: Sequence[str], user: JobUser | None, mark: str, config: str
) -> dict[str, str]:
    """Everything that the program is given; nothing of the supervisor's own environment."""
    name = {"USER": user.name, "LOGNAME": user.name} if user else {}
    return (
        {"PATH": _PATH, "LANG": "C.UTF-8"}
        | settings.environment
        | name
        | {
            "HOME": str(made.home),
            "TMPDIR": str(made.temporary),
            "CUDA_VISIBLE_DEVICES": ",".join(gpus),
            "RUNNER_MANUALLY_TRAP_SIG": "1",  # without it, run.sh does not pass an interrupt on
            MARK: mark,
            _CONFIG: config,
        }
    )


class Program:
    """The running program, in a session of its own; what it prints is passed on line by line."""

    def __init__(
        self,
        environment: dict[str, str],
        made: Workspace,
        user: JobUser | None,
        lease: Lease,
        say: Callable[[str], None],
    ) -> None:
        self.job: str | None = None
        """The job's name, once it has one."""
        self.result: str | None = None
        """What came of it, such as Succeeded, Failed or Canceled."""
        self.last_line = ""
        self._say = say
        self._process = subprocess.Popen(
            [str(made.program / "run.sh")],
            env=environment,
            cwd=made.program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=lease.files,
            umask=0o002,
            **(user.as_options() if user else {}),
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def is_running(self) -> bool:
        """Whether the program itself is; what it started may outlive it."""
        return self._process.poll() is None

    def close(self) -> int:
        """The exit code, when every process that could still print is gone."""
        code = self._process.wait()
        self._reader.join(timeout=5)
        return code

    def _read(self, stream: IO[bytes]) -> None:
        for raw in iter(lambda: stream.readline(_LINE_BYTES), b""):
            line = one_line(raw.decode("utf-8", "replace"))
            if not line:
                continue
            self.last_line = line
            if found := _JOB.search(line):
                self.job = self.job or found[1]
            elif found := _RESULT.search(line):
                self.result = found[1]
            self._say(f"| {line}")
