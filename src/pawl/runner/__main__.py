"""`python -m pawl.runner`: the supervisor of a machine that runs GitHub jobs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pawl.errors import PawlError

_EPILOG = "Example: python -m pawl.runner --config /etc/pawl-runner.toml --check"


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or 2 where something is set wrongly, or 4 where GitHub does not do its part."""
    from pawl.runner.settings import DEFAULT_PATH

    parser = argparse.ArgumentParser(prog="python -m pawl.runner", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="try everything but a job, then end")
    parser.add_argument("--once", action="store_true", help="end after one job in each slot")
    parser.add_argument("--slot", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="evict")
    evicting = commands.add_parser("evict", help="remove from a DVC cache what was not used for longest")
    evicting.add_argument("--cache", type=Path, required=True, metavar="FOLDER")
    evicting.add_argument("--cap-bytes", type=int, required=True, metavar="N")
    options = parser.parse_args(arguments)
    try:
        return _act(options)
    except PawlError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


def _act(options: argparse.Namespace) -> int:
    if options.command == "evict":
        return _evict(options.cache, options.cap_bytes)
    from pawl.runner.errors import Clock
    from pawl.runner.supervisor import check, run_slot, supervise

    if options.check:
        for line in check(options.config, Clock()):
            sys.stdout.write(line + "\n")
        return 0
    if options.slot is not None:
        return run_slot(options.config, options.slot, options.parent, once=options.once)
    return supervise(options.config, once=options.once)


def _evict(cache: Path, cap_bytes: int) -> int:
    from pawl.errors import InputError
    from pawl.runner.cache import evict

    if cap_bytes < 0 or not cache.is_dir():
        raise InputError(f"{cache} is no folder, or {cap_bytes} no number of bytes: give both as they are.")
    line = evict(cache, cap_bytes).in_words(cache, cap_bytes)
    sys.stdout.write((line or f"the cache {cache} is under its cap.") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
