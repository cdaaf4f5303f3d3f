"""Whether a pipeline can be run at all, asked before anything runs."""

from __future__ import annotations

from pawl.errors import InputError
from pawl.pipeline.project import Project, one_line


def check_pipeline(project: Project) -> None:
    """Have DVC check the whole pipeline, such as for outputs that overlap. Raises InputError with its reason."""
    from dvc.exceptions import DvcException

    if _is_sound(project):
        return
    try:
        project.repo.index.check_graph()
    except DvcException as error:
        raise InputError(f"DVC cannot run the pipeline in {project.root}: {one_line(error)}.") from error


def _is_sound(project: Project) -> bool:
    """Whether DVC's check, for which a tenth of a second goes into imports, would surely find nothing.

    Outputs are all different, none lies in another or holds a file that describes stages, and there is no circle: the
    stages with a command stand in running order already, and no other reads a file that a stage could make.
    """
    outs, stages = project.repo.index.outs, project.repo.index.stages
    return (
        all(project.outputs_at(out.fs_path) == [out] for out in outs)
        and not any(project.outputs_at(stage.path) for stage in stages)
        and not any(stage.deps for stage in stages if not stage.cmd)
    )
