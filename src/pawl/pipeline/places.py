"""Which of many paths a path is, lies in, or contains, without comparing it with each of them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable


class Places:
    """Absolute paths, in an order that is kept."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._rank = {path: number for number, path in enumerate(paths)}
        self._sorted = sorted(self._rank)

    def touching(self, path: str) -> list[str]:
        """Those that are `path`, that are a folder above it, or that lie below it.

        >>> Places(["/a/b", "/a/bc", "/a/b/c/d", "/x"]).touching("/a/b/c")
        ['/a/b', '/a/b/c/d']
        """
        found = [path] if path in self._rank else []
        end = path.rfind(os.sep)
        while end > 0:
            if path[:end] in self._rank:
                found.append(path[:end])
            end = path.rfind(os.sep, 0, end)
        inside = path + os.sep
        for number in range(bisect_left(self._sorted, inside), len(self._sorted)):
            if not self._sorted[number].startswith(inside):
                break
            found.append(self._sorted[number])
        return sorted(found, key=self._rank.__getitem__)
