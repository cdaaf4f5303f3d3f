"""Main's own results and their receipts, sent to main's remote: these stages' and nobody else's.

`dvc push --run-cache` sends every entry that lies in this machine's run-cache, whoever put it there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pawl.errors import InputError, ServiceError
from pawl.pipeline import receipts
from pawl.pipeline.plan import Looks
from pawl.pipeline.project import Project, one_line
from pawl.pipeline.provenance import send_records


def push(project: Project, looks: Looks, remote: receipts.Remote, say: Callable[[str], None]) -> int:
    """Send the outputs of every stage, then its receipt, then the record of its run; how many stages were sent.

    In this order a receipt never is there before what it promises. What the remote has already is not sent again.
    Raises InputError where a stage has no result to send, ServiceError where the remote does not take one.
    """
    if remote.name is None:
        raise InputError("there is no DVC remote to push to: name one, `dvc remote add --default NAME URL`.")
    without = [name for name, look in looks.items() if look.receipt is None]
    if without:
        raise InputError(f"{without[0]} has no result to push: run `pawl reproduce` first.")
    for name, look in looks.items():
        assert look.receipt is not None
        objects = receipts.objects_of(project, look.stage, look.receipt)
        _check_content(project, name, objects)
        try:
            project.repo.cloud.push(objects, remote=remote.name)
            if look.receipt.key:
                entry = Path(project.repo.stage_cache._get_cache_path(look.receipt.key, look.receipt.value))
                remote.send(entry, "runs", look.receipt.key[:2], look.receipt.key, look.receipt.value)
                send_records(project, remote, look.receipt)
        except Exception as error:
            raise ServiceError(
                f'{name} cannot be pushed to "{remote.name}": {one_line(error)}. Check that these credentials may '
                "write there, and push again."
            ) from error
        say(f"pushed {name}")
    return len(looks)


def _check_content(project: Project, name: str, objects: set[Any]) -> None:
    """Hash every object once more: what others will be told is this result has to be it."""
    from dvc_objects.errors import ObjectFormatError

    for item in objects:
        try:
            project.repo.cache.local.check(item.value, check_hash=True)
        except (ObjectFormatError, FileNotFoundError):
            raise InputError(
                f"the cache's copy of what {name} made ({item.value}) is missing or not what its name says: run "
                f"`pawl reproduce` again; the broken copy is removed."
            ) from None
