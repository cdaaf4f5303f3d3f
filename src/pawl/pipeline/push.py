"""Results and their receipts, sent to a remote, main's or pull requests': these stages' and nobody else's.

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
from pawl.pipeline.remote import Remote
from pawl.pipeline.scopes import REMOTE_VARIABLE


def push(project: Project, looks: Looks, remote: Remote, say: Callable[[str], None]) -> int:
    """Send the outputs of every stage, then its receipt, then the record of its run; how many stages were sent.

    In this order a receipt never is there before what it promises. What the remote has already is not sent again.
    To main's remote all goes or nothing, to pull requests' what there is. Raises InputError where a stage has no result
    that should have one, ServiceError where the remote does not take one.
    """
    if not remote.names:
        raise InputError(
            f"there is no remote for pull requests to push to: set {REMOTE_VARIABLE}."
            if remote.pull_requests_only
            else "there is no DVC remote to push to: name one, `dvc remote add --default NAME URL`."
        )
    without = [name for name, look in looks.items() if look.receipt is None]
    if without and not remote.pull_requests_only:
        raise InputError(f"{without[0]} has no result to push: run `pawl reproduce` first.")
    target, sent = remote.names[0], 0
    for name, look in looks.items():
        if look.receipt is None:
            continue
        objects = receipts.objects_of(project, look.stage, look.receipt)
        _check_content(project, name, objects)
        try:
            project.repo.cloud.push(objects, remote=target)
            if look.receipt.key:
                entry = Path(project.repo.stage_cache._get_cache_path(look.receipt.key, look.receipt.value))
                remote.send(entry, "runs", look.receipt.key[:2], look.receipt.key, look.receipt.value)
                send_records(project, remote, look.receipt)
        except Exception as error:
            raise ServiceError(
                f'{name} cannot be pushed to "{target}": {one_line(error)}. Check that these credentials may '
                "write there, and push again."
            ) from error
        say(f"pushed {name}")
        sent += 1
    return sent


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
