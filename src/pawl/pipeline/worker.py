"""One side at work: a stage's outputs are restored by key, or made by its command."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.pipeline import receipts
from pawl.pipeline.command import tail
from pawl.pipeline.data import fetch_data
from pawl.pipeline.environment import stage_environment
from pawl.pipeline.keys import stage_key
from pawl.pipeline.locking import Locking
from pawl.pipeline.plan import Look, Looks, look_at
from pawl.pipeline.progress import in_words
from pawl.pipeline.project import Project, lock_entry, one_line, stage_name
from pawl.pipeline.provenance import data_digest, origin_of, seeds_of, write_origin
from pawl.pipeline.remote import Remote
from pawl.pipeline.resources import Gpus, need_of
from pawl.pipeline.running import Ran, run_stage
from pawl.pipeline.shared import Shared
from pawl.pipeline.turns import result_of
from pawl.schema import Side, StageResult

if TYPE_CHECKING:
    from dvc.stage import PipelineStage


@dataclass
class Worker:
    """One side at work; only commands run outside the thread that calls it."""

    side: Side
    project: Project
    looks: Looks
    remote: Remote
    reports: Path
    allowed: list[str]
    shared: Shared
    force: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    """Stages with the same recipe on both sides, whose results are at most brought back for others to read."""
    commit: str | None = None
    """What is checked out; None where results belong to no commit."""
    title: str = ""
    """What people are told in place of the side."""
    results: dict[str, StageResult] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    """Stages whose outputs are in the workspace as their receipt has them."""
    made: set[str] = field(default_factory=set)
    """Stages that ran; what they wrote may differ from what an earlier run wrote."""
    _obtained: dict[str, Future[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lock_file = Locking(self.project)
        """To be written at the end of the work."""

    def label(self, stage: PipelineStage) -> str:
        """The stage's name for people, such as `head: train@digits`."""
        return f"{self.title or self.side}: {stage_name(stage)}"

    async def obtain(self, stage: PipelineStage) -> bool:
        """See to it that the stage's outputs are in the workspace: restored if anyone ever made them, else made.

        Whoever asks second waits for, or is told, what the first was told.
        """
        name = stage_name(stage)
        if name not in self._obtained:
            self._obtained[name] = Future()
            self._obtained[name].set_result(await self._obtain(stage))
        return await result_of(self._obtained[name])

    def skip(self, stage: PipelineStage) -> None:
        """Leave the stage out, and with it what reads its outputs."""
        self._obtained[stage_name(stage)] = Future()
        self._obtained[stage_name(stage)].set_result(self._skipped(stage))

    def take(self, stage: PipelineStage) -> None:
        """Let the stage's outputs be what the caller puts into the workspace."""
        self._obtained[stage_name(stage)] = Future()
        self._obtained[stage_name(stage)].set_result(True)

    async def _obtain(self, stage: PipelineStage) -> bool:
        name = stage_name(stage)
        upstream = self.project.upstream(stage)
        for other in upstream:
            if not await self._settle(other):
                return self._skipped(stage)
        if self.looks[name].receipt is None or any(stage_name(other) in self.made for other in upstream):
            self._look_again(stage)
        if self._restore_known(stage):
            return True
        made_before = len(self.made)
        for other in upstream if self.makes_here(self.looks[name]) else ():
            if not await self.obtain(other):
                return self._skipped(stage)
        # What was to be restored had to be made, maybe differently; or the key takes the files themselves.
        if len(self.made) > made_before or self.looks[name].stage_key is None:
            self._look_again(stage)
            if self._restore_known(stage):
                return True
        # A stage of the other side, or in another folder, can have the same key: it makes the result for this one too.
        while (key := self.looks[name].stage_key) in self.shared.making:
            await result_of(self.shared.making[key])
            self._look_again(stage)
            if self._restore_known(stage):
                return True
        return await self._make(self.looks[name])

    def makes_here(self, look: Look) -> bool:
        """Whether the stage's command would run in this checkout, and so need what it reads in the workspace."""
        return True

    async def _settle(self, stage: PipelineStage) -> bool:
        """Like obtain, but an output whose hash is certain may stay where it is."""
        name = stage_name(stage)
        certain = self.looks[name].receipt is not None and name not in self.force
        return certain or await self.obtain(stage)

    def _look_again(self, stage: PipelineStage) -> None:
        """The stage's key and receipt by what is upstream now."""
        name = stage_name(stage)
        look = look_at(self.project, stage, self.remote)
        look.recipe_key = self.looks[name].recipe_key
        self.looks[name] = look

    def _skipped(self, stage: PipelineStage) -> bool:
        self._record(self.looks[stage_name(stage)], "skipped")
        return False

    def _restore_known(self, stage: PipelineStage) -> bool:
        """Put a known result into the workspace; False where there is none, it is lost, or it is not to be used."""
        look = self.looks[stage_name(stage)]
        if look.receipt is None or stage_name(stage) in self.force:
            return False
        start = time.monotonic()
        if not receipts.fetch_outputs(self.project, look.stage, look.receipt, self.remote):
            look.receipt = None
            return False
        receipts.check_out(self.project, look.stage, look.receipt)
        self.lock_file.restored(look.stage)
        self.present.add(stage_name(look.stage))
        outcome = "unchanged" if stage_name(look.stage) in self.unchanged else "restored"
        self._record(look, outcome, seconds=time.monotonic() - start)
        return True

    async def _make(self, look: Look) -> bool:
        """Run the stage; what it reads of other stages is in the workspace, where it runs here."""
        stage = look.stage
        self.lock_file.tell_upstream(stage, self.looks)
        log = self.reports / "logs" / f"{_file_name(f'{self.title or self.side}-{stage_name(stage)}')}.log"
        end: Future[None] = Future()
        if look.stage_key:
            self.shared.making[look.stage_key] = end
        ran, problem = await self._run(look, log)
        if not problem:
            self.present.add(stage_name(stage))
            self.made.add(stage_name(stage))
            self._note_receipt(look, ran)
        if look.stage_key:
            del self.shared.making[look.stage_key]
        end.set_result(None)
        forged = not problem and look.unproven is not None and look.unproven != receipts.outs_of(lock_entry(stage))
        self._record(
            look,
            "failed" if problem else "trained",
            ran=ran,
            log=log,
            problem=problem,
            note="dvc.lock recorded another result for these inputs; no run on record produced it." if forged else "",
        )
        how = f"failed: {problem}" if problem else f"done in {in_words(ran.usage.seconds)}"
        progress = self.shared.progress
        progress.say(f"{self.label(stage)} {how} {progress.count(self.label(stage))}".rstrip())
        return not problem

    async def _run(self, look: Look, log: Path) -> tuple[Ran, str]:
        """Run the command, when its turn has come, and take its outputs into cache, lock and run-cache.

        How it ended, and what went wrong.
        """
        from dvc.stage.run import prepare_kwargs

        stage, repo, label, pool = look.stage, self.project.repo, self.label(look.stage), self.shared.pool
        fetch_data(self.project, stage)
        env = stage_environment(prepare_kwargs(stage)["env"], self.allowed, Path(repo.root_dir), look.stage_key)
        env |= {"DVC_ROOT": repo.root_dir, "DVC_STAGE": stage_name(stage)}  # as if DVC ran in this checkout
        progress = self.shared.progress

        def run(gpus: Gpus) -> Ran:
            progress.begin(label)
            try:
                with self.shared.watching(self, look, gpus) as watch:
                    watch.ran = run_stage(
                        stage, env, (gpus, pool.gpus), log, lambda text: progress.print(label, text), pool.stopped
                    )
                    return watch.ran
            finally:
                progress.end(label)

        need, remark = need_of(self.shared.resources_of(stage_name(stage)), pool.cpus, len(pool.gpus))
        if remark and stage_name(stage) not in self.shared.told:
            self.shared.told.add(stage_name(stage))
            progress.say(f"{stage_name(stage)} {remark}")
        with repo.lock:
            stage.remove_outs(ignore_remove=False, force=False)
        try:
            ran = await result_of(pool.submit(need, run, self.shared.urgency.get(label, 0.0)))
        except BaseException:
            pool.stop()
            with repo.lock:
                stage.remove_outs(ignore_remove=False, force=False)
            raise
        if ran.exit_code != 0:
            return ran, f"its command ended with exit code {ran.exit_code}"
        return ran, self._take(look)

    def _take(self, look: Look) -> str:
        """Take what the command wrote into cache, lock and run-cache; what is wrong with it, empty if nothing is."""
        from dvc.exceptions import DvcException

        stage, repo = look.stage, self.project.repo
        try:
            with repo.lock, chdir(self.project.root):
                self.project.param_files.clear()  # the command may have taken hours: what counts is what is there now
                stage.save(run_cache=False)
                if look.stage_key and stage_key(stage) != look.stage_key:
                    return "a file or parameter that it reads changed while it ran, so its result belongs to nothing"
                stage.commit()
                repo.stage_cache.save(stage)
            self.lock_file.made(stage)
        except DvcException as error:
            return one_line(error)
        for out in stage.outs:
            self.project.known[out.fs_path] = out
        return ""

    def _note_receipt(self, look: Look, ran: Ran) -> None:
        """The receipt that the stage just earned, with the run that earned it."""
        receipt = look.stage_key and receipts.of_stage(self.project, look.stage, look.stage_key)
        look.receipt = receipt or look.receipt
        if receipt and self.commit is not None:
            write_origin(self.project, receipt, self.commit, ran.started_at, ran.usage, self.shared.machine)

    def _record(
        self,
        look: Look,
        outcome: str,
        *,
        seconds: float | None = None,
        ran: Ran | None = None,
        log: Path | None = None,
        problem: str = "",
        note: str = "",
    ) -> None:
        name = stage_name(look.stage)
        usage = ran.usage if ran else None
        self.results[name] = StageResult(
            name=name,
            side=self.side,
            outcome=outcome,  # type: ignore[arg-type]
            present=name in self.present,
            stage_key=look.stage_key,
            recipe_key=look.recipe_key,
            started_at=ran.started_at if ran else None,
            seconds=usage.seconds if usage else seconds,
            peak_memory_bytes=usage.peak_memory_bytes if usage else None,
            exit_code=ran.exit_code if ran else None,
            log=log.relative_to(self.reports).as_posix() if log else None,
            note=note,
            log_tail=f"{problem}\n{tail(log)}"[-15_000:].strip() if problem and log else "",
            usage=usage,
            origin=None if problem else origin_of(self.project, look.receipt),
            data_digest=data_digest(self.project, look.stage),
            seeds=seeds_of(look.stage),
        )

    def keep_unchanged(self, look: Look) -> None:
        """A stage that is as on base: its outputs go into the workspace where that costs no download."""
        name = stage_name(look.stage)
        if name in self.results:
            return
        if look.receipt is not None and receipts.local_outputs(self.project, look.stage, look.receipt):
            receipts.check_out(self.project, look.stage, look.receipt)
            self.lock_file.restored(look.stage)
            self.present.add(name)
        self._record(look, "unchanged")


def _file_name(stage: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.@" else "_" for c in stage)[:100]
