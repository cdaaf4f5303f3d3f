"""What only the end of a run knows, put into the spool and delivered: verdict, metrics, outputs, what was restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.compare.results import SideFiles
from pawl.errors import InputError
from pawl.git import toplevel
from pawl.pipeline.checkout import state_folder
from pawl.schema import Comparison, StageResult, Stages, TrackedRun, Tracking
from pawl.tracking import names
from pawl.tracking.cursor import Cursor, cursor_of
from pawl.tracking.events import Begun, Closed, Complete, Ended, Ending, Event, Tags
from pawl.tracking.lineage import About, about, begun_of, provenance
from pawl.tracking.live import milliseconds, run_of, watch_of
from pawl.tracking.process import Deliverer, unreachable
from pawl.tracking.result import artifacts, result_events, worth_keeping
from pawl.tracking.server import Place, experiment_of, tracking_uri, without_secrets
from pawl.tracking.session import current_spool, deliverer_of, spool_at, undelivered
from pawl.tracking.spool import EVENTS, Spool, copy_spool, events_of, size_of, spool_root, spools

if TYPE_CHECKING:
    from pawl.session import Session

Say = Callable[[str], None]


def track(session: Session, stages: Stages, comparison: Comparison, say: Say) -> Tracking:
    """Put what is to be said of this run into its spool, and deliver it as far as the server takes it.

    The server is MLFLOW_TRACKING_URI, else `tracking.uri` of pawl.yaml, else a SQLite file in `.pawl/`. What is not
    delivered stays in the spool, and goes to `reports/spool/` too. Returns what was made and what was linked; "failed",
    with the reason, where not all could be delivered.
    """
    if not session.config.tracking.enabled:
        return Tracking(status="off", reason="tracking.enabled is false in pawl.yaml")
    worth = list(_worth_logging(session, stages))
    uri, name = tracking_uri(session), experiment_of(session)
    shown = without_secrets(uri)
    folder = current_spool(session)
    if not worth and not size_of(folder):
        return Tracking(status="logged", uri=shown, experiment=name, reason="nothing was trained or restored")
    spool = spool_at(folder)
    _describe(session, spool, stages, comparison, worth)
    reason, cursor = unreachable(uri), cursor_of(folder, uri).value
    if reason is None:
        cursor = deliverer_of(session, folder).wait(until_end=False)
        reason = cursor.reason
    runs = tuple(_tracked(uri, cursor, folder, worth))
    if cursor.offset < size_of(folder) or spool.lost:
        reason = (reason or "the disk is full").replace(uri, shown)[:500]
        _hand_over(session, folder)
        say(f"tracking: MLflow at {shown} could not be used ({reason}); results are unaffected, `pawl track` retries")
        return Tracking(status="failed", uri=shown, experiment=name, reason=reason, runs=runs)
    made = sum(run.status == "created" for run in runs)
    say(f"tracking: {made} runs created and {len(runs) - made} linked in {shown}, experiment {name}")
    return Tracking(status="logged", uri=shown, experiment=name, runs=runs)


def finish(session: Session, tracking: Tracking) -> None:
    """Add the report to the parent run, if there is one, and let the delivery end; a report that is late is no loss."""
    folder = current_spool(session)
    if tracking.status != "logged" or not size_of(folder):
        return
    spool = spool_at(folder)
    parents = [event.run for event in events_of(folder) if isinstance(event, Begun) and event.kind == "parent"]
    files = [session.reports / name for name in ("report.md", "report.html", "comparison.json")]
    if parents:  # the last is this run's: what was trained with other seeds before may be below another
        spool.add(*artifacts(session.config, spool, parents[-1], [((file, f"report/{file.name}"),) for file in files]))
    spool.add(Closed())
    deliverer_of(session, folder).wait(until_end=True)


def sync(place: Place, folders: Sequence[Path], say: Say) -> bool:
    """Deliver what earlier runs left in their spools, here or in folders of a report; whether all of it is there."""
    uri = tracking_uri(place)
    found = [spool for folder in folders for spool in ([folder] if (folder / EVENTS).is_file() else spools(folder))]
    if not folders:
        found = undelivered(spool_root(state_folder(toplevel(place.root))), uri)
    elif not found:
        raise InputError(f"{folders[0]} holds no spool: give the folder reports/spool of a report.")
    if not found:
        say("tracking: nothing waits to be delivered")
        return True
    reason: str | None = unreachable(uri)
    if reason is None:
        reason = Deliverer(found, uri, place.config.tracking.archive_after_days).wait(until_end=True).reason
    left = [folder for folder in found if cursor_of(folder, uri).value.offset < size_of(folder)]
    shown = without_secrets(uri)
    if left:
        said = (reason or next((cursor_of(folder, uri).value.reason for folder in left), "")).replace(uri, shown)
        say(f"tracking: {len(left)} of {len(found)} spools could not be delivered to MLflow at {shown} ({said})")
        return False
    say(f"tracking: {len(found)} spools delivered to {shown}")
    return True


def _worth_logging(session: Session, stages: Stages) -> list[tuple[SideFiles, StageResult]]:
    """(files of the side, stage result) for each result that a run can show."""
    head = SideFiles(session.head, {s.name: s for s in stages.stages if s.side == "head"})
    sides = {"head": head}
    if session.base is not None:
        sides["base"] = SideFiles(session.base, {s.name: s for s in stages.stages if s.side == "base"}, head)
    seen: set[str] = set()
    found = []
    for result in stages.stages:
        if result.outcome not in ("trained", "restored") or not result.stage_key or result.stage_key in seen:
            continue
        stage = sides[result.side].project.stage(result.name)
        shows = stage is not None and any(out.is_metric or out.is_plot for out in stage.outs)
        if stage is not None and (shows or result.outcome == "trained"):
            seen.add(result.stage_key)
            found.append((sides[result.side], result))
    return found


def _describe(
    session: Session,
    spool: Spool,
    stages: Stages,
    comparison: Comparison,
    worth: Sequence[tuple[SideFiles, StageResult]],
) -> None:
    """Write what is not in the spool yet; a second time there is nothing but the verdict."""
    said = about(session, stages.machine, milliseconds())
    begun = (
        {event.run for event in events_of(spool.folder) if isinstance(event, Begun)} if size_of(spool.folder) else set()
    )
    complete = {event.run for event in events_of(spool.folder) if isinstance(event, Complete)} if begun else set()
    if said.parent.run not in begun:
        spool.add(said.parent)
    for files, result in worth:
        run = run_of(spool.folder, result.side, result.name)
        if run not in complete:
            spool.add(*_result(session, said, spool, files, result, known=run in begun))
        if result.side == "head":
            spool.add(Tags(run=run, values={names.VERDICT_TAG: comparison.verdict}))
    for result in stages.stages:
        run = run_of(spool.folder, result.side, result.name)
        if result.outcome == "failed" and run in begun:
            spool.add(Ended(run=run, status="FAILED", at_ms=milliseconds()))
    verdict = {names.VERDICT_TAG: comparison.verdict, "pawl.gate": "passed" if comparison.gate_passed else "failed"}
    status: Ending = "FAILED" if comparison.verdict == "failed" else "FINISHED"
    spool.add(
        Tags(run=said.parent.run, values=verdict), Ended(run=said.parent.run, status=status, at_ms=milliseconds())
    )


def _result(
    session: Session, said: About, spool: Spool, files: SideFiles, result: StageResult, *, known: bool
) -> Iterator[Event]:
    """The events of one result; `known`: it was followed while it ran."""
    project, key = files.project, result.stage_key
    stage = project.stage(result.name)
    assert stage is not None
    assert key is not None
    files.params()
    run = run_of(spool.folder, result.side, result.name)
    begun: list[Event] = []
    if not known:
        watch = watch_of(said, run, project, stage, key, forced=False)
        begun += begun_of(said, run, project, stage, result.side, key, forced=False, at_ms=watch.started_ms)
        begun += [*watch.read(whole=True), *watch.ended("FINISHED")]
    record = provenance(said, project, stage, result.side, key, result.outcome)
    kept = worth_keeping(session.config, project, stage)
    yield from result_events(session.config, spool, run, files, result, begun, record, kept)


def _tracked(
    uri: str, cursor: Cursor, folder: Path, results: Sequence[tuple[SideFiles, StageResult]]
) -> Iterator[TrackedRun]:
    """The runs that the server has of these results."""
    web = without_secrets(uri.rstrip("/")) if uri.startswith(("http://", "https://")) else ""
    own = {event.run: event.experiment for event in events_of(folder) if isinstance(event, Begun)}
    for _, result in results:
        run = run_of(folder, result.side, result.name)
        experiment, _, run_id = cursor.linked.get(run, "").partition("/")
        if run in cursor.runs:
            experiment, run_id = cursor.experiments.get(own.get(run, ""), ""), cursor.runs[run]
        if run_id:
            yield TrackedRun(
                stage=result.name,
                side=result.side,
                stage_key=result.stage_key or "",
                run_id=run_id,
                # Or MLflow's pages take it for an evaluation of conversations.
                url=f"{web}/#/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning" if web else None,
                status="created" if run in cursor.runs else "linked",
            )


def _hand_over(session: Session, folder: Path) -> None:
    """Put what waits where the report goes, so that it can be delivered from elsewhere."""
    with suppress(OSError):
        copy_spool(folder, session.reports / "spool" / folder.name, session.config.tracking.artifacts_megabytes)
