"""One side at work on other machines: what would run here is ordered there, and comes back by its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pawl import __version__, git
from pawl.errors import InputError, ServiceError
from pawl.pipeline import receipts
from pawl.pipeline.plan import Look
from pawl.pipeline.project import one_line, stage_name
from pawl.pipeline.provenance import fetch_records
from pawl.pipeline.push import push
from pawl.pipeline.remote import Remote
from pawl.pipeline.resources import Need
from pawl.pipeline.running import Ran
from pawl.pipeline.turns import result_of
from pawl.pipeline.worker import Worker
from pawl.scaling.orders import Made, Order, exchange, passed_on, remotes_of
from pawl.scaling.source import Source, source_of
from pawl.schema import Usage
from pawl.waiting import patiently

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import PipelineStage

_NO_USAGE = Usage(seconds=0.0)


@dataclass
class RemoteWorker(Worker):
    """Restores here, runs there. A stage without a key is run here: nobody could hand its result over."""

    _sent: set[str] = field(default_factory=set)
    """Stages and data files of which it is known that the machines can have them."""

    def makes_here(self, look: Look) -> bool:
        """Only what cannot be filed under a key."""
        return look.stage_key is None

    async def _run(self, look: Look, log: Path) -> tuple[Ran, str]:
        if look.stage_key is None:
            return await super()._run(look, log)
        fleet, label, progress = self.shared.fleet, self.label(look.stage), self.shared.progress
        assert fleet is not None
        order, source = self._order(look), self._source
        self._send_upstream(look.stage)
        want = self.shared.resources_of(stage_name(look.stage))
        log.parent.mkdir(parents=True, exist_ok=True)

        def make(_: tuple[str, ...]) -> Made:
            progress.begin(label)
            try:
                with log.open("w", encoding="utf-8") as sink:

                    def line(text: str) -> None:
                        sink.write(f"{text}\n")
                        sink.flush()
                        progress.print(label, text)

                    return fleet.make(order, source, want, line, fleet.pool.stopped)
            finally:
                progress.end(label)

        try:
            made = await result_of(fleet.pool.submit(Need(1, 0), make, self.shared.urgency.get(label, 0.0)))
        except BaseException:
            fleet.pool.stop()
            raise
        if made.refused:
            raise InputError(f"{stage_name(look.stage)}, on another machine: {made.refused}")
        ran = Ran(made.started_at, made.exit_code, made.usage or _NO_USAGE)
        problem = made.problem or (made.trouble and f"no machine could make it: {made.trouble}")
        return ran, problem or self._bring(look, made)

    def _order(self, look: Look) -> Order:
        assert look.stage_key is not None
        remotes, default = remotes_of(self.project)
        if not exchange(self.project).names:
            raise InputError(
                "machines hand results over by a DVC remote, and there is none: `dvc remote add --default NAME URL`, "
                "with an address that all of them reach."
            )
        return Order(
            commit=self._source.commit,
            inner=self.project.root.resolve().relative_to(self._top.resolve()).as_posix(),
            stage=stage_name(look.stage),
            stage_key=look.stage_key,
            force=stage_name(look.stage) in self.force,
            allowed=tuple(self.allowed),
            remotes=remotes,
            default_remote=default,
            environment=passed_on(),
            cpus=self.shared.resources_of(stage_name(look.stage)).cpus,
            version=__version__,
        )

    @cached_property
    def _top(self) -> Path:
        return git.toplevel(self.project.root)

    @cached_property
    def _source(self) -> Source:
        return source_of(self._top, git.head(self._top).commit)

    def _send_upstream(self, stage: PipelineStage) -> None:
        """See to it that the remote has what the stage reads, as far as this machine has it: else it is made twice."""
        upstream = {stage_name(other): self.looks[stage_name(other)] for other in self.project.upstream(stage)}
        wanted = {
            name: look
            for name, look in upstream.items()
            if name not in self._sent
            and look.receipt is not None
            and receipts.local_outputs(self.project, look.stage, look.receipt)
        }
        if wanted:
            patiently(lambda: push(self.project, wanted, exchange(self.project), lambda _: None))
        self._sent |= wanted.keys()
        for out in (out for dep in stage.deps for out in self.project.sources_of(dep)):
            if (out.stage.cmd and not out.stage.frozen) or out.fs_path in self._sent or out.changed_cache():
                continue
            patiently(lambda out=out: self._send_data(out))  # type: ignore[misc]
            self._sent.add(out.fs_path)

    def _send_data(self, out: Output) -> None:
        try:
            self.project.repo.cloud.push(out.get_used_objs().get(None, set()), remote=exchange(self.project).names[0])
        except Exception as error:
            raise ServiceError(
                f"{self.project.relative(out.fs_path)} cannot be pushed for the other machines: {one_line(error)}."
            ) from error

    def _bring(self, look: Look, made: Made) -> str:
        """Take the result that was made from the remote into cache, workspace and lock; what is wrong with it."""
        assert look.stage_key is not None
        receipt = patiently(lambda: self._fetch(look, look.stage_key or "", made.receipt or ""))
        if receipt is None:
            return "its result is not on the remote as the machine that made it says"
        receipts.apply(self.project, look.stage, receipt)
        receipts.check_out(self.project, look.stage, receipt)
        self.lock_file.restored(look.stage)
        self._sent.add(stage_name(look.stage))
        return ""

    def _fetch(self, look: Look, key: str, value: str) -> receipts.Receipt | None:
        """The result with its record, in this machine's cache; None where the remote has not got it whole."""
        remote = Remote(self.project)  # one that has not been asked for this key before
        remote.fetch_receipts(key)
        receipt = receipts.of_value(self.project, key, value)
        if receipt is None or not receipts.fetch_outputs(self.project, look.stage, receipt, remote):
            return None
        fetch_records(self.project, remote, receipt)
        return receipt

    def _note_receipt(self, look: Look, ran: Ran) -> None:
        if look.stage_key is None:
            super()._note_receipt(look, ran)
        else:
            look.receipt = receipts.of_stage(self.project, look.stage, look.stage_key)
