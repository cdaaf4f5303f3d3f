"""Become another program that does not outlive who started it: `child.py PARENT SIGNAL UID GID COMMAND...`.

The kernel sends the signal when the parent ends, however it ends. UID and GID are -1 for no change; they come first,
because the kernel forgets the wish when a process changes its user. See prctl(2), PR_SET_PDEATHSIG.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, signal: int, uid: int, gid: int, command: list[str]) -> None:
    """Does not come back."""
    if gid >= 0:
        os.setgroups([])
        os.setgid(gid)
    if uid >= 0:
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:  # it ended before that
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - nothing here knows a shell


if __name__ == "__main__":
    parent, signal, uid, gid = map(int, sys.argv[1:5])
    main(parent, signal, uid, gid, sys.argv[5:])
