"""The fault matrix: what becomes of a run when a service fails in each way at each step that talks to it.

`cells` says which there are, and `documented` what is promised of them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.faults.cells import DECIDE, PLAN, PULL, Cell
from tests.faults.site import Site, Visit
from tests.faults.workflow import Run

MOST_SECONDS = 110.0
"""Of one step, on a busy machine: the tests' patience is seconds."""
AT_ONCE = 3


class Matrix:
    """Plays cells on one site. Where a step left what it leaves undisturbed, what follows is known and not repeated."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.visit = site.visit("undisturbed")
        self.run = self.visit.run()
        self._rests: dict[tuple[Any, ...], str] = {}
        self._lock = threading.Lock()
        self.run.run("plan").run("train", stop_after=PULL)
        self.pulled = cached(self.visit.machine)
        self.run.run("train", start_at="Drop the credentials").run("report", stop_after="Report")
        shutil.copytree(self.run.temporary("report") / "reports", self.run.folder / "written")
        self.run.run("report", start_at="Pictures")
        assert set(self.run.jobs.values()) == {"success"}, self.run.log()
        assert len(self.visit.comments()) == 1
        self.forget_tracked("undisturbed")
        self.dispatched = site.visit("undisturbed-dispatch", dispatched=True).run().run("plan")
        assert self.dispatched.outputs["plan"]["train"] == "true", self.dispatched.log()

    def play(self, cell: Cell) -> str:
        """The outcome in words; AssertionError where a promise was broken."""
        place = cell.place
        visit = self.site.visit(
            re.sub(r"\W+", "-", f"{place.service}-{place.title}-{cell.row}"), dispatched=place.dispatched
        )
        run = visit.run()
        proxy = visit.proxies[place.service]
        before = self.dispatched if place.dispatched else self.run
        known = {"plan": (), "train": ("plan",), "report": ("plan", "train")}[place.job]
        for job in known:
            run.jobs[job], run.outputs[job] = before.jobs[job], before.outputs[job]

        def strike(job: str, step: str, process: subprocess.Popen[str] | None) -> None:
            if process is None:
                proxy.fault = cell.fault() if (job, step) == (place.job, place.step) else None

        run.before = strike
        try:
            words = _PLAYS[place.service, place.job](self, cell, visit, run)
        except Exception as error:
            raise AssertionError(f"{place.title}, {cell.row}: {error!r}\n{run.jobs}\n{run.log()}") from error
        finally:
            visit.services.close()
        assert proxy.struck or cell.kind == "refuse", f"{place.title}, {cell.row}: no request met the fault"
        ran = run.steps[place.job, place.step]
        assert ran.seconds < MOST_SECONDS, f"{place.title}, {cell.row}: {ran.seconds:.0f} s"
        for file in run.folder.rglob("*.json"):
            json.loads(file.read_bytes())
        return words

    def asks_of_dispatch(self, cell: Cell, visit: Visit, run: Run) -> str:
        """GitHub does not say whether the commit still is the pull request's head: nothing of it may run."""
        run.run(cell.place.job, stop_after=cell.place.step)
        ran = run.steps[cell.place.job, cell.place.step]
        if ran.code == 0:
            return "as ever"
        assert ran.code == 4, ran.code
        assert "pawl: GitHub at " in ran.log, "no reason in the log"
        return self.rest(cell, visit, run, "not begun, for what is to run is not certain")

    def pictures_or_comment(self, cell: Cell, visit: Visit, run: Run) -> str:
        """The report is there; what of it reaches the pull request?"""
        run.places["report"] = self.run.checkout("report")
        shutil.copytree(self.run.folder / "written", run.temporary("report") / "reports")
        run.run("report", start_at="Summary" if cell.place.step == "Comment" else "Pictures")
        self.survives(run)
        commented = run.steps["report", "Comment"]
        if cell.place.step == "Pictures":
            assert run.steps["report", "Pictures"].code == 0
            assert commented.code == 0
            self.is_published(visit, run)
            without = re.search(
                "^pictures: none are shown: .*GitHub", run.steps["report", "Pictures"].log, re.MULTILINE
            )
            shown = "/pawl-images/" in visit.comments()[0].body
            assert shown == (without is None)
            return "one comment, with pictures" if shown else "one comment, without pictures, reason in the log"
        if commented.code == 0:
            self.is_published(visit, run)
            check = "; no check, reason in the log" if "check: not set: GitHub" in commented.log else ""
            return f"one comment{check}"
        assert commented.code == 4
        assert "pawl: GitHub at " in commented.log, "no reason in the log"
        assert len(visit.comments()) <= 1
        here = "one comment" if visit.comments() else "none"
        visit.proxies["github"].fault = None
        again = visit.run()
        again.places, again.jobs, again.outputs = run.places, {**run.jobs, "report": "success"}, run.outputs
        shutil.copytree(self.run.folder / "written", again.temporary("report") / "reports")
        again.run("report", start_at="Summary")
        self.is_published(visit, again)
        return f"{here}, reason in the log; one after a second attempt"

    def plans(self, cell: Cell, visit: Visit, run: Run) -> str:
        """Which results the bucket has decides what has to run."""
        if cell.place.dispatched:
            return self.asks_of_dispatch(cell, visit, run)
        run.run("plan")
        ran = run.steps["plan", PLAN]
        if ran.code == 0:
            made, ours = (one.artifact("plan") / "plan.json" for one in (self.run, run))
            assert made.read_bytes() == ours.read_bytes(), "another plan"
            return "as ever"
        assert ran.code == 4, ran.code
        assert re.search('^pawl: the DVC remote "storage" .* cannot be read: ', ran.log, re.MULTILINE)
        return self.rest(cell, visit, run, "no plan, reason in the log")

    def pulls(self, cell: Cell, visit: Visit, run: Run) -> str:
        """Main's results are fetched, or cannot be."""
        if cell.place.step == "Track":
            return self.tracks(cell, visit, run)
        if cell.place.dispatched:
            return self.asks_of_dispatch(cell, visit, run)
        run.run("train", stop_after=PULL)
        ran = run.steps["train", PULL]
        if ran.code == 0 and cached(visit.machine) == self.pulled:
            return "as ever"
        if ran.code == 0:
            assert "its outputs are not where its receipt says; it will run again" in ran.log
            return self.rest(cell, visit, run, "main's results are not fetched but made again")
        assert ran.code == 4, ran.code
        assert re.search('^pawl: the DVC remote "storage" .* cannot be read: ', ran.log, re.MULTILINE)
        return self.rest(cell, visit, run, "not trained, reason in the log")

    def tracks(self, cell: Cell, visit: Visit, run: Run) -> str:
        """The training is over; its numbers are logged, or not."""
        run.places["train"] = self.run.checkout("train")
        run.contexts["train"] = dict(self.run.contexts["train"])
        written = run.checkout("train") / "reports" / "tracking.json"
        written.unlink()
        run.run("train", start_at="Track", stop_after="Track")
        assert run.steps["train", "Track"].code == 0
        tracking = json.loads(written.read_bytes())
        words = "as ever"
        if tracking["status"] == "failed":
            assert tracking["reason"]
            assert "could not be used" in run.steps["train", "Track"].log
            visit.proxies["mlflow"].fault = None
            words = self.rest(cell, visit, run, "not tracked, reason in report and log", reason=tracking["reason"])
            again = visit.run()
            again.places, again.jobs, again.outputs, again.contexts = run.places, run.jobs, run.outputs, run.contexts
            again.run("train", start_at="Track", stop_after="Track")
            tracking = json.loads(written.read_bytes())
            words += "; tracked by a second attempt"
        assert tracking["status"] == "logged", tracking
        found = self.forget_tracked(cell.row)
        assert found == {run_["stage_key"]: 1 for run_ in tracking["runs"]}, f"runs of each key: {found}"
        assert len(found) == 4
        return words

    def rest(self, cell: Cell, visit: Visit, run: Run, words: str, reason: str = "") -> str:
        """Play what follows a step that ended otherwise, once for each way in which it ended."""
        fetched = cached(visit.machine) if "made again" in words else frozenset()
        key = (cell.place.title, words, fetched)
        visit.proxies[cell.place.service].fault = None
        with self._lock:
            if key not in self._rests:
                self._rests[key] = self._play_rest(cell, visit, run, words, reason)
            return self._rests[key]

    def _play_rest(self, cell: Cell, visit: Visit, run: Run, words: str, reason: str) -> str:
        steps = {PULL: "Drop the credentials", "Track": "Hand over", PLAN: "Hand over", DECIDE: "Hand over"}
        run.run(cell.place.job, start_at=steps[cell.place.step])
        if cell.place.job == "plan":
            run.run("train")
        run.run("report")
        if run.jobs["report"] == "skipped":
            assert cell.place.step == DECIDE, "there is no report"
            return f"{words}; no report job, for who may write is not known either"
        self.survives(run)
        [comment] = visit.comments()
        assert run.steps["report", "Comment"].code == 0
        assert len(visit.states()) == 1
        if reason:
            report = (run.artifact("report") / "report.md").read_text(encoding="utf-8")
            assert "MLflow was not reached: " in report
        trained = ("train", "Train") in run.steps and run.steps["train", "Train"].code == 0
        assert trained == ("made again" in words)
        verdict = re.match(r"### \S+ \*\*(.*?)\*\*", comment.body)
        assert verdict, comment.body[:200]
        return f'{words}; one comment, "{verdict[1]}"'

    def survives(self, run: Run) -> None:
        """The report is on the run's page and among its artifacts."""
        written = (run.artifact("report") / "report.md").read_text(encoding="utf-8")
        assert written.splitlines()[0] in run.summary
        assert (run.artifact("report") / "report.html").exists()

    def is_published(self, visit: Visit, run: Run) -> None:
        """One comment, one status, and the gate was asked."""
        assert run.steps["report", "Comment"].code == 0
        assert len(visit.comments()) == 1
        assert set(visit.states()) == {"success"}
        assert run.steps["report", "Gate"].code == 0

    def forget_tracked(self, name: str) -> dict[str, int]:
        """Finished runs of each key so far; the next cell has an experiment of its own."""
        if self.site.mlflow_url is None:
            return {}
        [experiment] = [
            one
            for one in self._mlflow("experiments/search", max_results=100)["experiments"]
            if one["name"] == "e2e branches"
        ]
        tags = [
            {tag["key"]: tag["value"] for tag in one["data"]["tags"]}
            for one in self._mlflow("runs/search", experiment_ids=[experiment["experiment_id"]]).get("runs", [])
            if one["info"]["status"] == "FINISHED"
        ]
        self._mlflow("experiments/update", experiment_id=experiment["experiment_id"], new_name=f"{name} {id(tags)}")
        keys = [tag.get("pawl.stage_key", "") for tag in tags if tag["pawl.kind"] == "stage"]
        return {key: keys.count(key) for key in keys}

    def _mlflow(self, what: str, **content: Any) -> Any:
        request = urllib.request.Request(
            f"{self.site.mlflow_url}/api/2.0/mlflow/{what}",
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


_PLAYS: dict[tuple[str, str], Callable[[Matrix, Cell, Visit, Run], str]] = {
    ("github", "plan"): Matrix.plans,
    ("github", "train"): Matrix.pulls,
    ("github", "report"): Matrix.pictures_or_comment,
    ("bucket", "plan"): Matrix.plans,
    ("bucket", "train"): Matrix.pulls,
    ("mlflow", "train"): Matrix.pulls,
}


def cached(machine: Path) -> frozenset[str]:
    """What the training job's part of DVC's cache holds on that runner, without files that DVC has yet to name."""
    folder = machine / "dvc-cache" / "pull-requests"
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return frozenset(name for name in found if "tmp" not in name)


def play_all(site: Site, wanted: Iterable[Cell]) -> dict[Cell, str | AssertionError]:
    """The outcome of each cell; several at once where they mostly wait and share nothing."""
    matrix = Matrix(site)

    def play(cell: Cell) -> str | AssertionError:
        try:
            return matrix.play(cell)
        except AssertionError as error:
            return error

    chosen = list(wanted)
    with ThreadPoolExecutor(1 if site.mlflow_url else AT_ONCE) as pool:
        return dict(zip(chosen, pool.map(play, chosen), strict=True))
