"""Doing what the plan says: restore by key, or run; head first, then what base needs to be compared with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.errors import InputError
from pawl.pipeline import receipts
from pawl.pipeline.command import Finished, run_command, tail
from pawl.pipeline.environment import describe_machine, stage_environment
from pawl.pipeline.keys import stage_key
from pawl.pipeline.plan import Look, Looks, look_at
from pawl.pipeline.project import Project, lock_entry, one_line, stage_name
from pawl.schema import Plan, Side, StageAction, StageResult, Stages

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import PipelineStage

Say = Callable[[str], None]


@dataclass
class Worker:
    """One side at work."""

    side: Side
    project: Project
    looks: Looks
    remote: receipts.Remote
    reports: Path
    allowed: list[str]
    say: Say
    force: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    """Stages with the same recipe on both sides, whose results are at most brought back for others to read."""
    results: dict[str, StageResult] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    """Stages whose outputs are in the workspace as their receipt has them."""
    made: set[str] = field(default_factory=set)
    """Stages that ran; what they wrote may differ from what an earlier run wrote."""

    def obtain(self, stage: PipelineStage) -> bool:
        """See to it that the stage's outputs are in the workspace: restored if anyone ever made them, else made."""
        name = stage_name(stage)
        if name in self.present or (name in self.results and self.results[name].outcome in ("failed", "skipped")):
            return name in self.present
        upstream = self.project.upstream(stage)
        if not all(self._settle(other) for other in upstream):
            self._record(self.looks[name], "skipped")
            return False
        if self.looks[name].receipt is None or any(stage_name(other) in self.made for other in upstream):
            self._look_again(stage)
        look = self.looks[name]
        if look.receipt is not None and name not in self.force and self._restore(look):
            return True
        made_before = len(self.made)
        if not all(self.obtain(other) for other in upstream):
            self._record(look, "skipped")
            return False
        # What was to be restored had to be made, maybe differently; or the key takes the files themselves.
        if len(self.made) > made_before or look.stage_key is None:
            self._look_again(stage)
            look = self.looks[name]
            if look.receipt is not None and name not in self.force and self._restore(look):
                return True
        return self._make(look)

    def _settle(self, stage: PipelineStage) -> bool:
        """Like obtain, but an output whose hash is certain may stay where it is."""
        name = stage_name(stage)
        certain = self.looks[name].receipt is not None and name not in self.force
        return certain or self.obtain(stage)

    def _look_again(self, stage: PipelineStage) -> None:
        """The stage's key and receipt by what is upstream now."""
        name = stage_name(stage)
        look = look_at(self.project, stage, self.remote)
        look.recipe_key = self.looks[name].recipe_key
        self.looks[name] = look

    def _restore(self, look: Look) -> bool:
        assert look.receipt is not None
        start = time.monotonic()
        if not receipts.fetch_outputs(self.project, look.stage, look.receipt, self.remote):
            look.receipt = None
            return False
        receipts.check_out(self.project, look.stage, look.receipt)
        self._write_lock(look.stage)
        self.present.add(stage_name(look.stage))
        outcome = "unchanged" if stage_name(look.stage) in self.unchanged else "restored"
        self._record(look, outcome, seconds=time.monotonic() - start)
        return True

    def _make(self, look: Look) -> bool:
        """Run the stage; everything upstream is in the workspace."""
        stage = look.stage
        for dep in stage.deps:
            for out in self.project.sources_of(dep):
                if not out.stage.cmd or out.stage.frozen:
                    _fetch_data(self.project, out)
        log = self.reports / "logs" / f"{self.side}-{_file_name(stage_name(stage))}.log"
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self.say(f"{self.side}: {stage_name(stage)} runs")
        finished, problem = self._run(look, log)
        if not problem:
            self.present.add(stage_name(stage))
            self.made.add(stage_name(stage))
            receipt = look.stage_key and receipts.of_stage(self.project, stage, look.stage_key)
            look.receipt = receipt or look.receipt
        else:
            self.say(f"{self.side}: {stage_name(stage)} failed: {problem}")
        forged = not problem and look.unproven is not None and look.unproven != receipts.outs_of(lock_entry(stage))
        self._record(
            look,
            "failed" if problem else "trained",
            finished=finished,
            started=started,
            log=log,
            problem=problem,
            note="dvc.lock recorded another result for these inputs; no run on record produced it." if forged else "",
        )
        return not problem

    def _run(self, look: Look, log: Path) -> tuple[Finished, str]:
        """Run the command and take its outputs into cache, lock and run-cache; how it ended, and what went wrong."""
        from dvc.exceptions import DvcException
        from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable, prepare_kwargs

        stage, repo = look.stage, self.project.repo
        env = stage_environment(prepare_kwargs(stage)["env"], self.allowed, Path(repo.root_dir), look.stage_key)
        env |= {"DVC_ROOT": repo.root_dir, "DVC_STAGE": stage_name(stage)}  # as if DVC ran in this checkout
        shell = get_executable()
        commands = [
            made if isinstance(made := _make_cmd(shell, cmd), list) else ["/bin/sh", "-c", made]
            for cmd in _enforce_cmd_list(stage.cmd)
        ]
        with repo.lock:
            stage.remove_outs(ignore_remove=False, force=False)
        prefix = f"  {stage_name(stage)} | "
        try:
            finished = run_command(
                commands, folder=Path(stage.wdir), env=env, log=log, line=lambda text: self.say(prefix + text)
            )
        except BaseException:
            with repo.lock:
                stage.remove_outs(ignore_remove=False, force=False)
            raise
        if finished.exit_code != 0:
            return finished, f"its command ended with exit code {finished.exit_code}"
        try:
            with repo.lock, chdir(self.project.root):
                self.project.param_files.clear()  # the command may have taken hours: what counts is what is there now
                stage.save(run_cache=False)
                if look.stage_key and stage_key(stage) != look.stage_key:
                    return (
                        finished,
                        "a file or parameter that it reads changed while it ran, so its result belongs to nothing",
                    )
                stage.commit()
                repo.stage_cache.save(stage)
                stage.dump(update_pipeline=False)
        except DvcException as error:
            return finished, one_line(error)
        for out in stage.outs:
            self.project.known[out.fs_path] = out
        return finished, ""

    def _write_lock(self, stage: PipelineStage) -> None:
        """Record the restored stage in dvc.lock, which is only written where it says something else."""
        entry = lock_entry(stage)
        if self.project.locked.get(stage_name(stage)) != entry:
            with self.project.repo.lock:
                stage.dump(update_pipeline=False)
            self.project.locked[stage_name(stage)] = entry

    def _record(
        self,
        look: Look,
        outcome: str,
        *,
        seconds: float | None = None,
        finished: Finished | None = None,
        started: str | None = None,
        log: Path | None = None,
        problem: str = "",
        note: str = "",
    ) -> None:
        name = stage_name(look.stage)
        self.results[name] = StageResult(
            name=name,
            side=self.side,
            outcome=outcome,  # type: ignore[arg-type]
            present=name in self.present,
            stage_key=look.stage_key,
            recipe_key=look.recipe_key,
            started_at=started,
            seconds=finished.seconds if finished else seconds,
            peak_memory_bytes=finished.peak_memory_bytes if finished else None,
            exit_code=finished.exit_code if finished else None,
            log=log.relative_to(self.reports).as_posix() if log else None,
            note=note,
            log_tail=f"{problem}\n{tail(log)}"[-15_000:].strip() if problem and log else "",
        )

    def keep_unchanged(self, look: Look) -> None:
        """A stage that is as on base: its outputs go into the workspace where that costs no download."""
        name = stage_name(look.stage)
        if name in self.results:
            return
        if look.receipt is not None and receipts.local_outputs(self.project, look.stage, look.receipt):
            receipts.check_out(self.project, look.stage, look.receipt)
            self._write_lock(look.stage)
            self.present.add(name)
        self._record(look, "unchanged")


def reproduce(head: Worker, base: Worker | None, plan: Plan) -> Stages:
    """Carry out `plan`.

    A stage that fails takes the stages below it with it, and no others; only what is not a stage's own doing raises.
    """
    start = time.monotonic()
    actions: dict[str, StageAction] = {stage.name: stage.action for stage in plan.stages}
    _say_progress(head, plan)
    for stage in head.project.stages:
        if actions[stage_name(stage)] == "unchanged":
            continue
        head.obtain(stage)
    for stage in head.project.stages:
        if actions[stage_name(stage)] == "unchanged":
            head.keep_unchanged(head.looks[stage_name(stage)])
    if base is not None:
        lost = {name for name, result in head.results.items() if result.outcome in ("failed", "skipped")}
        for planned in plan.stages:
            stage = base.project.stage(planned.name)
            if stage is None or planned.base_action not in ("run", "restore"):
                continue
            if planned.name in lost:
                base._record(base.looks[planned.name], "skipped")
            else:
                base.obtain(stage)
    results = [*head.results.values(), *(base.results.values() if base else ())]
    return Stages(
        base=plan.base,
        head=plan.head,
        machine=describe_machine(),
        stages=tuple(results),
        seconds=time.monotonic() - start,
    )


def _say_progress(head: Worker, plan: Plan) -> None:
    runs = sum(stage.action == "run" for stage in plan.stages)
    base_runs = sum(stage.base_action == "run" for stage in plan.stages)
    restores = sum("restore" in (stage.action, stage.base_action) for stage in plan.stages)
    if runs or base_runs or restores:
        head.say(f"plan: run {runs} stages of head and {base_runs} of base, restore {restores}")


def _fetch_data(project: Project, out: Output) -> None:
    """Put data that a `.dvc` file tracks into the workspace; what a person changed there is not overwritten."""
    from dvc.exceptions import DvcException

    place = f"{project.relative(out.fs_path)} in {project.root}"
    if out.exists:
        if out.workspace_status():
            raise InputError(
                f"{place} is not what {project.relative(out.stage.path)} records: run `dvc add` (or `dvc commit`) and "
                "commit the change, or bring the recorded data back with `dvc checkout --force`."
            )
        return
    try:
        if out.changed_cache():
            with chdir(project.root):
                project.repo.pull(targets=[out.stage.addressing])
        else:
            with project.repo.lock:
                out.checkout(force=True)
    except DvcException as error:
        raise InputError(f"{place} cannot be fetched: {one_line(error)}. Is it pushed (`dvc push`)?") from error


def _file_name(stage: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.@" else "_" for c in stage)[:100]
