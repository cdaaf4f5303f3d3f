"""Slurm in this machine: its own daemons on 127.0.0.1, where they are installed, else the same jobs without Slurm."""

from __future__ import annotations

import getpass
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IS_INSTALLED = all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sbatch", "setpriv")))
_START_SECONDS = 60
_SETTINGS = """\
ClusterName=test
SlurmctldHost=localhost
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName=localhost CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
PartitionName=other Nodes=ALL State=UP
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
KillWait=5
"""


@dataclass(frozen=True)
class Slurm:
    """A cluster of one node with two CPUs, and the partitions main, by default, and other."""

    environment: Mapping[str, str]
    """What a process needs to use it."""
    settings: Mapping[str, Any]
    """Constants of tasks.common.learning.executors with which the tests run."""

    def say(self, *words: str) -> str:
        """What a command of Slurm's prints."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout


@contextmanager
def slurm(hidden: Path | None = None) -> Iterator[Slurm]:
    """A running Slurm: about 2 s. hidden: a folder in whose place the node sees an empty one; that takes root."""
    if not IS_INSTALLED:
        yield Slurm({}, {"slurm_jobs.CLUSTER": "local"})
        return
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    found = Slurm({"SLURM_CONF": str(folder / "slurm.conf")}, {"slurm_jobs.QUEUE_SECONDS": 1.0})
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        _write_settings(folder)
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        stack.enter_context(_daemon(folder, "munged", "--foreground", f"--socket={folder}/munge.socket", *files))
        _wait_for(lambda: (folder / "munge.socket").exists(), folder)
        stack.enter_context(_daemon(folder, "slurmctld", "-D", "-f", f"{folder}/slurm.conf"))
        command = ["slurmd", "-D", "-N", "localhost", "-f", f"{folder}/slurm.conf"]
        if hidden:
            mount = f"mount -t tmpfs none {shlex.quote(str(hidden))} && exec {shlex.join(command)}"
            command = ["unshare", "--mount", "sh", "-c", mount]
        stack.enter_context(_daemon(folder, *command))
        _wait_for(lambda: "idle" in _try(found, "sinfo", "--noheader", "--format=%T"), folder)
        stack.callback(_end_jobs, found)
        yield found


def can_hide() -> bool:
    """Whether a process can be given a file system of its own here."""
    return bool(shutil.which("unshare")) and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


def _write_settings(folder: Path) -> None:
    # Munge trusts a socket only where everybody can pass.
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        ports = [one.getsockname()[1] for one in sockets]
    (folder / "slurm.conf").write_text(_SETTINGS.format(folder=folder, user=getpass.getuser(), ports=ports))


@contextmanager
def _daemon(folder: Path, *command: str) -> Iterator[None]:
    """A process that lives as long as the block, and no longer than this one."""
    with (folder / "daemons.log").open("ab") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _try(cluster: Slurm, *words: str) -> str:
    try:
        return cluster.say(*words)
    except subprocess.CalledProcessError:
        return ""


def _wait_for(condition: Any, folder: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while not condition():
        assert time.monotonic() < end, (folder / "daemons.log").read_text(errors="replace")
        time.sleep(0.1)


def _end_jobs(cluster: Slurm) -> None:
    _try(cluster, "scancel", "--partition=main")
    _try(cluster, "scancel", "--partition=other")
    end = time.monotonic() + 20
    while _try(cluster, "squeue", "--noheader") and time.monotonic() < end:
        time.sleep(0.2)
