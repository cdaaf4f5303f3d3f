"""`python -m pawl.scaling.guard FOLDER`: carries an order to the process that makes the stage, and outlives it.

Ray kills the children of a process of its own that ends, and not their children. This one is nobody's child: it hears
by the end of its standard input that whoever gave the order is gone, and then, or when the process that makes the stage
has died, ends everything that was started for it.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import suppress

from pawl.pipeline.orphans import no_orphans

_PATIENCE_SECONDS = 15.0
_POLL_SECONDS = 0.1


def main() -> None:
    """Leave the family, and stay until the process has ended."""
    if os.fork():
        os._exit(0)
    os.setsid()
    with open(0, "rb", buffering=0, closefd=False) as given:
        order = given.readline()
    with no_orphans():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pawl.scaling.making", *sys.argv[1:]], stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(order)
            process.stdin.flush()
        while process.poll() is None and not _is_alone():
            pass
        with suppress(subprocess.TimeoutExpired, OSError):
            process.stdin.close()
            process.wait(_PATIENCE_SECONDS)
        process.kill()
        code = process.wait()
    if code != 0:
        sys.stdout.write(f'{{"made": {{"trouble": "the process that made it ended with {code}"}}}}\n')
        with suppress(BrokenPipeError):
            sys.stdout.flush()


def _is_alone() -> bool:
    """Whether standard input has ended; waits a moment for it."""
    readable, _, _ = select.select([0], [], [], _POLL_SECONDS)
    return bool(readable) and not os.read(0, 1)


if __name__ == "__main__":
    main()
