"""Events of a spool put into MLflow, in such a way that doing it twice is doing it once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.tracking import names
from pawl.tracking.batches import Waiting, requests_of
from pawl.tracking.cursor import CursorFile
from pawl.tracking.events import (
    Artifact,
    Begun,
    Closed,
    Complete,
    Ended,
    Event,
    Inputs,
    Params,
    Points,
    Tags,
)
from pawl.tracking.files import log_file
from pawl.tracking.finding import (
    broken_off,
    complete,
    experiment_named,
    is_final,
    make_experiment,
    readable_experiment,
    runs_with,
)
from pawl.tracking.kept import check_kept, known_points
from pawl.tracking.spool import artifact_file, by_turns, event_at, events_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

_TURN_SECONDS = 60.0


class Delivery:
    """One spool on its way to one server. Every method raises what MLflow's client raises, or the errors above."""

    def __init__(self, client: MlflowClient, uri: str, spool: Path, cursor: CursorFile) -> None:
        self.client = client
        self.uri = uri
        self.spool = spool
        self.cursor = cursor
        self._waiting: dict[str, Waiting] = {}
        self._known: dict[str, set[tuple[str, int, float]]] = {}
        self._also: dict[str, str | None] = {}

    def check_experiments(self) -> None:
        """Begin anew where the experiments that were written to are not those of that name any more."""
        for name, known in self.cursor.value.experiments.items():
            if experiment_named(self.client, name) != known:
                self.cursor.set(sent=0, held=(), experiments={}, runs={}, linked={}, continued=())
                return

    def apply(self, events: Sequence[tuple[Event, int]]) -> list[int]:
        """Send events, each with its place in the spool, in their order.

        When it returns the server has confirmed all but those whose places it returns: files that its store does not
        take, and the completeness of their runs.
        """
        held: list[int] = []
        # An earlier try of the store's this time is enough; `send_held` makes the next.
        before = [event_at(self.spool, place) for place in self.cursor.value.held]
        behind = {event.run for event in before if isinstance(event, Artifact | Complete)}
        store_fails = bool(before)
        for event, place in events:
            if isinstance(event, Closed):
                continue
            if isinstance(event, Points | Params | Tags):
                self._gather(event)
                continue
            if event.run in self._waiting:
                self._send_waiting(event.run)
            waits = isinstance(event, Complete) and event.run in behind
            if isinstance(event, Artifact) and not (waits := store_fails):
                waits = store_fails = not self._is_taken(event)
            if waits:
                held.append(place)
                behind.add(event.run)
            elif not isinstance(event, Artifact):
                self._send_event(event)
        for run in list(self._waiting):
            self._send_waiting(run)
        return held

    def send_held(self) -> None:
        """Send what was held back, one after the other; what is confirmed is not held any more."""
        while self.cursor.value.held:
            place, *others = self.cursor.value.held
            event = event_at(self.spool, place)
            if isinstance(event, Artifact | Complete):
                self._send_event(event)
            self.cursor.set(held=tuple(others))

    def _is_taken(self, event: Artifact) -> bool:
        try:
            self._send_event(event)
        except Exception as error:
            if is_final(error):
                raise
            return False
        return True

    def _send_event(self, event: Begun | Inputs | Artifact | Ended | Complete) -> None:
        if isinstance(event, Begun):
            if event.run not in self.cursor.value.runs:
                self._begin(event)
        elif (run_id := self.cursor.value.runs.get(event.run)) is not None:
            self._send(run_id, event)
        elif isinstance(event, Complete) and event.run in self.cursor.value.linked:
            self._link(event.run)

    def forget_waiting(self) -> None:
        """Leave what was gathered and not sent: it is in the spool, and comes again."""
        self._waiting.clear()

    def _gather(self, event: Points | Params | Tags) -> None:
        if event.run not in self.cursor.value.runs:
            return
        waiting = self._waiting.setdefault(event.run, Waiting())
        if isinstance(event, Points):
            waiting.points += event.points
        elif isinstance(event, Params):
            waiting.params |= {names.allowed_name(name): value for name, value in event.values.items()}
        else:
            waiting.tags |= {names.allowed_name(name): value for name, value in event.values.items()}
        if waiting.is_full:
            self._send_waiting(event.run)

    def _send_waiting(self, run: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        waiting, run_id = self._waiting[run], self.cursor.value.runs[run]
        if run in self.cursor.value.continued:
            # A training that goes on writes its history again from the start.
            if run not in self._known:
                self._known[run] = known_points(self.client, run_id)
            known = self._known[run]
            waiting.points = [point for point in waiting.points if (point[0], point[2], point[1]) not in known]
        for request in requests_of(waiting):
            self.client.log_batch(
                run_id,
                metrics=[Metric(name, value, at, step) for name, value, step, at in request.points],
                params=[Param(name, value) for name, value in request.params.items()],
                tags=[RunTag(name, value) for name, value in request.tags.items()],
            )
        del self._waiting[run]

    def _begin(self, event: Begun) -> None:
        value = self.cursor.value
        if event.parent is not None and event.parent in value.linked:
            return  # of a result that is known, so its folds are too
        with self._one_at_a_time():
            experiment = self._experiment(event.experiment)
            if event.key is None:
                same = runs_with(self.client, [experiment], {names.RUN_TAG: event.run})
            else:
                same = runs_with(self.client, self._places(experiment, event), {names.BEGUN_TAG: event.key})
            here = [run for run in same if run.info.experiment_id == experiment]
            found = next((run for run in here if run.data.tags.get(names.RUN_TAG) == event.run), None)
            if found is None and event.key is not None and not event.forced:
                known = complete(same)
                if known is not None:
                    place = f"{known.info.experiment_id}/{known.info.run_id}"
                    self.cursor.set(linked={**value.linked, event.run: place})
                    return
                found = broken_off(here)
                if found is not None:
                    self.cursor.set(continued=(*value.continued, event.run))
            run_id = found.info.run_id if found is not None else self._create(experiment, event)
        if found is not None:
            self.client.update_run(run_id, status="RUNNING")
            self._tag(run_id, {**self._begun_tags(event), **event.tags})
        self.cursor.set(runs={**self.cursor.value.runs, event.run: run_id})

    def _places(self, experiment: str, event: Begun) -> list[str]:
        """The experiments in which the result may be known."""
        if event.also is None:
            return [experiment]
        if event.also not in self._also:
            self._also[event.also] = readable_experiment(self.client, event.also)
        other = self._also[event.also]
        return [experiment] if other is None else [experiment, other]

    def _create(self, experiment: str, event: Begun) -> str:
        tags = {**self._begun_tags(event), **event.tags}
        stage = event.tags.get(names.STAGE_TAG)
        if event.kind == "stage" and stage:
            same = {names.STAGE_TAG: stage, names.SIDE_TAG: event.tags.get(names.SIDE_TAG, "")}
            for previous in runs_with(self.client, [experiment], same, order="DESC", most=1):
                tags[names.PREVIOUS_TAG] = previous.info.run_id
        made = self.client.create_run(experiment, start_time=event.at_ms, run_name=event.name, tags=tags)
        return str(made.info.run_id)

    def _begun_tags(self, event: Begun) -> dict[str, str]:
        tags = {names.RUN_TAG: event.run, names.KIND_TAG: event.kind}
        if event.key is not None:
            tags[names.BEGUN_TAG] = event.key
        if event.parent is not None and (parent := self.cursor.value.runs.get(event.parent)):
            tags[names.PARENT_TAG] = parent
        return tags

    def _send(self, run_id: str, event: Event) -> None:
        if isinstance(event, Inputs):
            self.client.log_inputs(
                run_id, datasets=[_dataset(one.name, one.digest, one.source) for one in event.datasets]
            )
        elif isinstance(event, Artifact):
            file = artifact_file(self.spool, event)
            if file is not None:
                log_file(self.client, run_id, file, event.to)
        elif isinstance(event, Ended):
            if self._is_ours(run_id, event.run):
                self.client.set_terminated(run_id, status=event.status, end_time=event.at_ms)
        elif isinstance(event, Complete):
            self._complete(run_id, event)

    def _complete(self, run_id: str, event: Complete) -> None:
        """The tag by which the run is found comes last: one that broke off, or is not whole, is never linked."""
        experiment = check_kept(self.client, run_id, self.spool, event.run)
        with self._one_at_a_time():
            same = runs_with(self.client, [experiment], {names.BEGUN_TAG: event.key})
            others = [run for run in same if run.info.run_id != run_id]
            first = None if event.forced else complete(others)
            if first is not None:
                # Somebody else made the same result at the same time, and was first.
                self.client.set_terminated(run_id, status="KILLED")
                runs = {run: known for run, known in self.cursor.value.runs.items() if run != event.run}
                place = f"{experiment}/{first.info.run_id}"
                self.cursor.set(runs=runs, linked={**self.cursor.value.linked, event.run: place})
                self._link(event.run)
                return
            self.client.set_tag(run_id, names.KEY_TAG, event.key)
        for other in others:
            if other.info.status == "RUNNING":
                self.client.set_terminated(other.info.run_id, status="KILLED")

    def _link(self, run: str) -> None:
        """Let the parent name the run that has the result."""
        begun = next((e for e in events_of(self.spool) if isinstance(e, Begun) and e.run == run), None)
        parent = self.cursor.value.runs.get(begun.parent or "") if begun else None
        if begun and parent:
            stage = begun.tags.get(names.STAGE_TAG, begun.name)
            tag = names.allowed_name(f"{names.LINKED_TAG_PREFIX}{stage}")
            self.client.set_tag(parent, tag, self.cursor.value.linked[run].partition("/")[2])

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        for request in requests_of(Waiting(tags={names.allowed_name(name): value for name, value in tags.items()})):
            self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in request.tags.items()])

    def _is_ours(self, run_id: str, run: str) -> bool:
        """Whether nobody has gone on with the run since."""
        return bool(self.client.get_run(run_id).data.tags.get(names.RUN_TAG) == run)

    def _experiment(self, name: str) -> str:
        """The experiment's id; it is made where there is none."""
        known = self.cursor.value.experiments.get(name)
        if known is not None:
            return known
        found = make_experiment(self.client, name, self.uri)
        self.cursor.set(experiments={**self.cursor.value.experiments, name: found})
        return found

    def _one_at_a_time(self) -> AbstractContextManager[None]:
        """Between looking for a run and making it, nobody else on this machine does the same."""
        return by_turns(self.spool.parent / "begin.lock", _TURN_SECONDS)


def _dataset(name: str, digest: str, source: str) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(name=name, digest=digest, source_type="dvc", source=source, schema=None, profile=None)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "input")])
