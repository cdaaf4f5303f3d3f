"""The unprivileged users that jobs run as."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pawl.errors import InputError


@dataclass(frozen=True)
class JobUser:
    """Whom a job runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str

    def as_options(self) -> dict[str, Any]:
        """For `subprocess`."""
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups)}


def job_user(name: str) -> JobUser:
    """The user by name or number. Raises InputError for root and for a name that is nobody's."""
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if not name.isdigit():
            raise InputError(f'users: there is no user "{name}" on this machine: `useradd --system {name}`.') from None
        entry = None
    if entry is None:
        uid = gid = int(name)
        groups: tuple[int, ...] = ()
    else:
        uid, gid = entry.pw_uid, entry.pw_gid
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    if uid == 0 or 0 in (gid, *groups):
        raise InputError(f'users: "{name}" is root or in its group, and jobs run what a pull request says.')
    return JobUser(uid, gid, groups, entry.pw_name if entry else name)


def as_user(user: JobUser, action: Callable[[], None]) -> bool:
    """Do something in a child process that has become `user` for good; whether it went well.

    What a job may have prepared is then met with the job's rights, not with root's.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        os.setgroups(user.groups)
        os.setgid(user.gid)
        os.setuid(user.uid)
        os.umask(0o002)
        action()
        os._exit(0)
    finally:
        os._exit(1)
