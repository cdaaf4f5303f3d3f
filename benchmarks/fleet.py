"""What a fleet of machines would do with a pipeline: its schedule, simulated on the stage times of a run on record.

    python -m benchmarks.fleet REPOSITORY --copies 100 --scale 60

prints how long so many trainings of the pipeline at once take on 1 to 256 machines, with stages so many times as long,
beside the ideal: the larger of the longest chain and the work over the machines. What is simulated is what `pawl run
--engine ray` does: a stage is ordered when those it reads from are back, the first ordered is the first begun, and the
one process that orders takes results back one at a time.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.pipeline_bound import least_seconds, recorded
from pawl.pipeline.environment import describe_machine

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ORDER_SECONDS, DRIVER_SECONDS = 1.3, 0.4
"""What an order costs beyond the command, on the machine that carries it out and on the one that gave it.

Rounded up from what `python -m benchmarks cluster_speed` found on a cluster of one core.
"""


def makespan_seconds(
    stage_seconds: Mapping[str, float],
    upstream: Mapping[str, Collection[str]],
    workers: int,
    *,
    order_seconds: float = 0.0,
    driver_seconds: float = 0.0,
) -> float:
    """When the last stage is back, where each takes its seconds and `order_seconds` on one of the workers.

    stage_seconds: name -> seconds of its command. upstream: name -> the stages that it reads from. The driver takes
    back one result at a time, in `driver_seconds`, before what reads it is ordered.
    """
    waits_for = {name: sum(above in stage_seconds for above in upstream.get(name, ())) for name in stage_seconds}
    below: dict[str, list[str]] = {}
    for name in stage_seconds:
        for above in upstream.get(name, ()):
            below.setdefault(above, []).append(name)
    ordered = [name for name, count in waits_for.items() if count == 0]
    free, now, driver_free = workers, 0.0, 0.0
    events: list[tuple[float, int, str, str]] = []  # when, in what order, what, which stage
    number = 0
    while True:
        while free and ordered:
            name = ordered.pop(0)
            free -= 1
            number += 1
            heapq.heappush(events, (now + order_seconds + stage_seconds[name], number, "made", name))
        if not events:
            return max(now, driver_free)
        now, _, what, name = heapq.heappop(events)
        if what == "made":
            free += 1
            driver_free = max(driver_free, now) + driver_seconds
            number += 1
            heapq.heappush(events, (driver_free, number, "back", name))
            continue
        for following in below.get(name, ()):
            waits_for[following] -= 1
            if waits_for[following] == 0:
                ordered.append(following)


def copies_of(
    stage_seconds: Mapping[str, float], upstream: Mapping[str, Collection[str]], copies: int
) -> tuple[dict[str, float], dict[str, list[str]]]:
    """The same pipeline so many times side by side, as with other seeds."""
    seconds = {f"{copy}/{name}": value for copy in range(copies) for name, value in stage_seconds.items()}
    above = {
        f"{copy}/{name}": [f"{copy}/{other}" for other in others]
        for copy in range(copies)
        for name, others in upstream.items()
    }
    return seconds, above


def table(stage_seconds: Mapping[str, float], upstream: Mapping[str, Collection[str]]) -> list[str]:
    """Markdown: machines, simulated and ideal seconds, and their ratio, with and without what orders cost."""
    lines = ["| machines | seconds | ideal | ideal / seconds | orders for nothing |", "|---|---|---|---|---|"]
    for workers in WORKERS:
        ideal = least_seconds(stage_seconds, upstream, workers)
        real = makespan_seconds(
            stage_seconds, upstream, workers, order_seconds=ORDER_SECONDS, driver_seconds=DRIVER_SECONDS
        )
        bare = makespan_seconds(stage_seconds, upstream, workers)
        lines.append(f"| {workers} | {real:,.0f} | {ideal:,.0f} | {ideal / real:.2f} | {ideal / bare:.2f} |")
    return lines


def main(arguments: Sequence[str]) -> None:
    """Print the table for the last run in a repository."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet")
    parser.add_argument("repository", type=Path, help="Where a `pawl run` left reports/stages.json.")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="How many times as long each stage takes.")
    given = parser.parse_args(arguments)
    once, upstream = recorded(given.repository.absolute())
    seconds = {name: value * given.scale for name, value in once.items()}
    machine = describe_machine()
    total = sum(seconds.values())
    sys.stdout.write(f"{machine.device}; {len(seconds)} stages, {total:,.0f} s of work, {given.copies} at once\n\n")
    sys.stdout.write("\n".join(table(*copies_of(seconds, upstream, given.copies))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
