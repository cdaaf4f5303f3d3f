"""GPUs are shared out by locks that outlive nobody: slots, whole supervisors, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pawl.runner.leases import Lease, try_lease
from tests.runner.machine import SOURCE, Machine, cmdline

GPUS = ["0", "1", "GPU-5c3f", "MIG-1/2"]


@given(counts=st.lists(st.integers(0, 4), max_size=6))
def test_no_gpu_is_in_two_leases(counts: list[int], tmp_path_factory: object) -> None:
    folder = Path(tmp_path_factory.mktemp("leases"))  # type: ignore[attr-defined]
    held: list[Lease] = []
    free = len(GPUS)
    for count in counts:
        lease = try_lease(folder, GPUS, count)
        assert (lease is not None) == (count <= free)  # all or none, and none kept where there are too few
        if lease is not None:
            held.append(lease)
            free -= count
    gpus = [gpu for lease in held for gpu in lease.gpus]
    assert len(gpus) == len(set(gpus)) == len(GPUS) - free
    for lease in held:
        lease.release()
    everything = try_lease(folder, GPUS, len(GPUS))
    assert everything is not None
    everything.release()


def test_a_lease_lasts_as_long_as_what_inherited_it(tmp_path: Path) -> None:
    code = f"""
        import subprocess, sys, time
        sys.path.insert(0, {str(SOURCE)!r})
        from pathlib import Path
        from pawl.runner.leases import try_lease
        lease = try_lease(Path({str(tmp_path)!r}), ["0"], 1)
        child = subprocess.Popen(["sleep", "600"], pass_fds=lease.files, stdout=subprocess.DEVNULL)
        print(child.pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        holder.kill()
        holder.wait()
        assert try_lease(tmp_path, ["0"], 1) is None  # the job of a killed supervisor goes on with its GPU
        subprocess.run(["kill", "-9", str(child)], check=True)
    lease = None
    while lease is None:  # until the kernel has buried it; the test's own limit ends it otherwise
        lease = try_lease(tmp_path, ["0"], 1)
    lease.release()


def test_two_supervisors_at_once_never_share_a_gpu(new_machine: Callable[..., Machine]) -> None:
    one = new_machine(gpus=["0", "1"], gpus_per_slot=1, slots=2)
    leases = one.settings["lease_folder"]
    other = new_machine(gpus=["0", "1"], gpus_per_slot=1, slots=2, lease_folder=leases, name="second")
    place = one.folder / "held"
    place.mkdir()
    place.chmod(0o1777)
    # mkdir is atomic: a second holder of the same GPU fails.
    script = f'mkdir "{place}/$CUDA_VISIBLE_DEVICES" && sleep 0.2 && rmdir "{place}/$CUDA_VISIBLE_DEVICES"'
    jobs = [one.runners.queue(f"job {number}", script) for number in range(8)]
    one.start()
    other.start()
    try:
        assert {one.finished(job).conclusion for job in jobs} == {"Succeeded"}
    finally:
        print(one.log, other.log)
    assert {job.runner.partition("-")[0] for job in jobs if job.runner} <= {"gpu", "second"}
    assert "waiting for 1 free GPUs" in one.log + other.log


def test_the_job_of_a_killed_supervisor_keeps_its_gpu(new_machine: Callable[..., Machine]) -> None:
    one = new_machine(gpus=["0"], gpus_per_slot=1)
    other = new_machine(gpus=["0"], gpus_per_slot=1, lease_folder=one.settings["lease_folder"])
    one.runners.queue("goes on", "sleep 600")
    supervisor = one.start()
    one.wait_for_log("Running job: goes on")
    supervisor.kill()
    one.wait(lambda: not any(b"--slot" in cmdline(pid) for pid in one.left_processes()), "end of the slot")
    other.start()
    other.wait_for_log("waiting for 1 free GPUs")
    one.end()
    other.wait_for_log("waits for a job, GPU 0")


def test_a_second_supervisor_of_the_same_slots_waits(new_machine: Callable[..., Machine]) -> None:
    machine = new_machine()
    first = machine.start()
    machine.wait_idle()
    second = machine.start()
    machine.wait_for_log("another supervisor has")
    assert len(machine.runners.runners) == 1
    first.terminate()
    assert first.wait(30) == 0
    machine.wait_idle()
    second.terminate()
    assert second.wait(30) == 0


def test_a_job_without_gpus_sees_none(new_machine: Callable[..., Machine]) -> None:
    machine = new_machine(gpus=["0"], gpus_per_slot=0)
    job = machine.runners.queue("cpu", 'test "${CUDA_VISIBLE_DEVICES-unset}" = ""')
    machine.start("--once").wait(30)
    assert job.conclusion == "Succeeded"
