"""Which stages are begun first where not all can be: those with the most seconds of work that waits for them.

For stages that do not wait for each other the longest first takes at most 4/3 of the best schedule's time (Graham,
Bounds on multiprocessing timing anomalies, 1969).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import fmean


def longest_paths(seconds: Mapping[str, float | None], waits_for: Mapping[str, Collection[str]]) -> dict[str, float]:
    """Name -> its seconds and those of the longest chain of stages that cannot begin before it has ended.

    seconds: in an order in which none comes before one that it waits for; None where nobody knows, which is taken for
    the mean of those known. waits_for: name -> names; those without seconds take none.

    >>> longest_paths({"a": 2.0, "b": None, "c": 4.0}, {"b": ["a"], "c": ["a"]})
    {'a': 6.0, 'b': 3.0, 'c': 4.0}
    """
    unknown = fmean(known) if (known := [value for value in seconds.values() if value is not None]) else 1.0
    after = dict.fromkeys(seconds, 0.0)
    paths: dict[str, float] = {}
    for name in reversed(list(seconds)):
        own = seconds[name]
        paths[name] = after[name] + (unknown if own is None else own)
        for above in waits_for.get(name, ()):
            if above in after:
                after[above] = max(after[above], paths[name])
    return {name: paths[name] for name in seconds}
