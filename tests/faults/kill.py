"""The job killed with SIGKILL at each of its steps, and then run again: the same result, and nothing twice."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tests.faults.matrix import AT_ONCE, Matrix
from tests.faults.proxy import Fault
from tests.faults.site import Site, Visit
from tests.faults.workflow import BIN, Run

WAIT_SECONDS = 60
MEASURED = re.compile(r"seconds|bytes|_wh$|utili[sz]ation|_at$|made_by|origin|saved")
"""Names of what differs between two runs of the same thing: what was spent, and when."""


@dataclass(frozen=True, eq=False)
class Moment:
    """When the process group of a step is killed: as soon as `due`, given the visit, says so."""

    job: str
    step: str
    title: str
    due: Callable[[Visit], bool]
    service: str = ""
    fault: Fault | None = None
    """What makes the moment last."""


def after(seconds: float) -> Callable[[Visit], bool]:
    """So long after the step began."""
    began: dict[int, float] = {}
    return lambda visit: time.monotonic() - began.setdefault(id(visit), time.monotonic()) > seconds


def stages_begun(count: int) -> Callable[[Visit], bool]:
    """When that many stages have begun."""
    return lambda visit: len(recorded(visit)) >= count


def reached(service: str) -> Callable[[Visit], bool]:
    """When the request that the fault waits for is there."""
    return lambda visit: visit.proxies[service].reached.is_set()


COMMENTS, CHECKS, STATUSES = "/issues/7/comments$", "/check-runs$", "/statuses/"
MOMENTS = (
    Moment("plan", "Plan", "asking the bucket", reached("bucket"), "bucket", Fault("hang", skip=3)),
    Moment(
        "train",
        "Pull",
        "fetching results",
        reached("bucket"),
        "bucket",
        Fault("hang", skip=1, path="^/download/.*files"),
    ),
    Moment("train", "Train", "the first stage runs", stages_begun(1)),
    Moment("train", "Train", "the last stage runs", stages_begun(2)),
    Moment("train", "Compare", "at its start", after(0.5)),
    Moment("train", "Track", "a run of MLflow is begun", lambda visit: tracked(visit).total() > 0),
    Moment("report", "Report", "at its start", after(0.5)),
    Moment("report", "Pictures", "uploading", reached("github"), "github", Fault("hold", method="POST", path="/git/")),
    Moment(
        "report",
        "Comment",
        "posting, not taken",
        reached("github"),
        "github",
        Fault("hang", method="POST", path=COMMENTS),
    ),
    Moment(
        "report",
        "Comment",
        "posted, not yet told",
        reached("github"),
        "github",
        Fault("hold", method="POST", path=COMMENTS),
    ),
    Moment(
        "report", "Comment", "setting the check", reached("github"), "github", Fault("hold", method="POST", path=CHECKS)
    ),
    Moment(
        "report",
        "Comment",
        "setting the status",
        reached("github"),
        "github",
        Fault("hold", method="POST", path=STATUSES),
    ),
)


def play_moments(site: Site) -> dict[Moment, str | AssertionError]:
    """What became of each moment's run in words, several at once; an error where a promise was broken."""
    matrix = Matrix(site)

    def play(moment: Moment) -> str | AssertionError:
        try:
            return play_moment(matrix, moment)
        except AssertionError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(MOMENTS, pool.map(play, MOMENTS), strict=True))


def play_moment(matrix: Matrix, moment: Moment) -> str:
    """Kill, run the job again on the same runner, and compare with the run that nothing happened to."""
    visit = matrix.site.visit(re.sub(r"\W+", "-", f"kill-{moment.step}-{moment.title}"))
    first = begin(matrix, visit, moment.job)
    first.before = killer(visit, moment, first)
    first.run(moment.job)
    killed = first.steps[moment.job, moment.step]
    assert killed.code == 137, f"{moment.step}, {moment.title}: it was not killed\n{first.log()}"
    before = list(recorded(visit))
    second = begin(matrix, visit, moment.job)
    second.run(moment.job)
    try:
        assert second.jobs[moment.job] == "success"
        for file in second.folder.rglob("*.json"):
            json.loads(file.read_bytes())
        if moment.job == "plan":
            assert same(matrix.run, second, "plan", "plan.json")
            return "the same plan"
        if moment.job == "train":
            assert same(matrix.run, second, "results", "comparison.json")
            return trained_again(matrix, visit, moment, before)
        assert len(visit.comments()) == 1
        [ours], [theirs] = visit.comments(), matrix.visit.comments()
        wanted, found = (without_times(one.body).splitlines() for one in (theirs, ours))
        assert wanted == found, "\n".join(difflib.unified_diff(wanted, found, lineterm=""))
        assert set(visit.states()) == {"success"}
        titles = [check.output.get("title") for check in visit.github.state.checks.values()]
        assert len(titles) == 1, titles
        return "the same comment, once"
    except Exception as error:
        raise AssertionError(f"{moment.step}, {moment.title}: {error!r}\n{second.log()}") from error


def begin(matrix: Matrix, visit: Visit, job: str) -> Run:
    """The next attempt, in which the jobs before this one have gone well."""
    run = visit.run()
    for known in {"plan": (), "train": ("plan",), "report": ("plan", "train")}[job]:
        run.jobs[known], run.outputs[known] = "success", matrix.run.outputs[known]
    if job == "report":
        shutil.copytree(matrix.run.artifact("results"), run.artifact("results"))
    return run


def killer(visit: Visit, moment: Moment, run: Run) -> Callable[[str, str, subprocess.Popen[str] | None], None]:
    """What ends the step's processes at its moment, all of them at once, with no chance to tidy up.

    Of that step they are as anybody has them, all in one group.
    """

    def wait_and_kill(process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if moment.due(visit):
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.005)
        if moment.service:
            visit.proxies[moment.service].fault = None

    def before(job: str, step: str, process: subprocess.Popen[str] | None) -> None:
        is_it = (job, step) == (moment.job, moment.step)
        run.programs = BIN if is_it else visit.site.programs
        if not is_it:
            return
        if process is None and moment.service:
            assert moment.fault
            visit.proxies[moment.service].fault = Fault(**vars(moment.fault))
        elif process is not None:
            threading.Thread(target=wait_and_kill, args=(process,), daemon=True).start()

    return before


def trained_again(matrix: Matrix, visit: Visit, moment: Moment, before: list[str]) -> str:
    """Which stages the second attempt ran, none of them without need; and MLflow has each result once."""
    everything = recorded(matrix.visit)
    again = recorded(visit)[len(before) :]
    assert Counter(again) <= Counter(everything), f"{again} ran again"
    # The last one that was begun may have been cut off; those before it were through.
    assert not Counter(before[:-1]) & Counter(again), f"{again} ran again after {before}"
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := tracked(visit)) and time.monotonic() < deadline:
        found.pop("KILLED", 0)
        if found == tracked(matrix.visit):
            break
        time.sleep(0.2)  # what delivers the first attempt's numbers is a process of its own, and may have outlived it
    assert found == tracked(matrix.visit), f"{found} in MLflow"
    words = f"the same result; run again: {', '.join(again) if before and again else 'nothing'}"
    return f"{words}; in MLflow once, and nothing runs there" if moment.step == "Track" else words


def recorded(visit: Visit) -> list[str]:
    """The stages that have begun on this runner, oldest first, by their own word."""
    path = visit.machine / "stages.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line)["stage"] for line in lines]


def tracked(visit: Visit) -> Counter[str]:
    """Stage key -> how many finished runs MLflow has of it; one without a key is under its state."""
    path = visit.machine / "mlflow.db"
    if not path.exists():
        return Counter()
    query = (
        "SELECT t.value, r.status FROM runs r LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'pawl.stage_key'"
    )
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute(query).fetchall()
    except sqlite3.OperationalError:
        return Counter()  # its tables are not there yet
    return Counter(key or status for key, status in rows)


def same(one: Run, other: Run, artifact: str, name: str) -> bool:
    """Whether both handed over the same, but for what was spent."""
    contents = [json.loads((run.artifact(artifact) / name).read_bytes()) for run in (one, other)]
    return bool(without_measured(contents[0]) == without_measured(contents[1]))


def without_measured(value: Any) -> Any:
    """The JSON without seconds, bytes and times."""
    if isinstance(value, dict):
        return {key: without_measured(inner) for key, inner in value.items() if not MEASURED.search(key)}
    return [without_measured(inner) for inner in value] if isinstance(value, list) else value


def without_times(text: str) -> str:
    """A comment without what names the attempt or was measured with a clock."""
    return re.sub(r"attempts?[=/ ]\d+|[0-9.]+ (?:s|ms)\b|<!-- pawl-history .*? -->", "", text)


def table(outcomes: dict[Moment, str]) -> str:
    """The part of the matrix about kills, as Markdown."""
    lines = ["| killed in | the second attempt |", "|---|---|"]
    lines += [f"| {moment.step.lower()}: {moment.title} | {said} |" for moment, said in outcomes.items()]
    return "\n".join(lines)
