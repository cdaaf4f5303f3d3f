"""Everything that a plan will need from the remote, brought here while there are credentials: training has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pawl.pipeline import receipts
from pawl.pipeline.data import fetch_data
from pawl.pipeline.plan import Looks
from pawl.pipeline.project import Project, stage_name
from pawl.pipeline.provenance import fetch_records
from pawl.pipeline.remote import Remote


def pull(
    project: Project,
    looks: Looks,
    remote: Remote,
    actions: Mapping[str, str],
    say: Callable[[str], None],
    *,
    everything: bool = False,
) -> int:
    """Bring results of one side into the local cache, and data into its workspace; how many stages have theirs here.

    actions: what is planned, by stage's name: what is to be restored is fetched, and what stages that run will read.
    everything: also what the plan has no use for, such as the model that another evaluation is to judge.
    """
    wanted = set()
    for stage in project.stages:
        action = actions.get(stage_name(stage))
        if action == "restore" or (everything and action is not None):
            wanted.add(stage_name(stage))
        if action == "run":
            fetch_data(project, stage)
            wanted |= {stage_name(other) for other in project.upstream(stage)}
    fetched = 0
    for stage in project.stages:
        look = looks[stage_name(stage)]
        if stage_name(stage) not in wanted or look.receipt is None:
            continue
        if receipts.fetch_outputs(project, look.stage, look.receipt, remote):
            fetch_records(project, remote, look.receipt)
            fetched += 1
        else:
            say(f"{stage_name(stage)}: its outputs are not where its receipt says; it will run again")
    return fetched
