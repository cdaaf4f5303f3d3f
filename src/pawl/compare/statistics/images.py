"""The column `image` of predictions: pictures are large and few are wanted, so they stay in the file until then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.errors import InputError

if TYPE_CHECKING:
    import numpy as np

MAX_IMAGE_BYTES = 10_000_000
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class Images:
    """Pictures of examples: which row of the file each example's is in."""

    path: Path
    shown: str
    rows: np.ndarray
    """(N,) rows of the file, from 0."""

    @classmethod
    def of(cls, path: Path, shown: str, rows: int) -> Images:
        """All of a file's pictures, in its order."""
        import numpy as np

        return cls(path, shown, np.arange(rows))

    def take(self, places: np.ndarray) -> Images:
        """Those of the examples at these places."""
        return Images(self.path, self.shown, self.rows[places])

    def read(self, places: list[int]) -> list[bytes | str | None]:
        """The pictures of some examples: PNG or JPEG bytes, or the text of a path; None for nulls and over 10 MB.

        Raises InputError where the column holds anything else.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        wanted = {int(self.rows[place]): place for place in places}
        found: dict[int, bytes | str | None] = {}
        start = 0
        try:
            for batch in pq.ParquetFile(self.path).iter_batches(_ROWS_AT_ONCE, columns=["image"]):
                column = batch.column(0)
                for row in sorted(wanted.keys() & set(range(start, start + len(column)))):
                    picture = column[row - start].as_py()
                    if not isinstance(picture, bytes | str | None):
                        raise InputError(f'{self.shown}: the column "image" holds {column.type}: write bytes or paths.')
                    too_large = picture is not None and len(picture) > MAX_IMAGE_BYTES
                    found[wanted[row]] = None if too_large else picture
                start += len(column)
                if len(found) == len(wanted):
                    break
        except (OSError, pa.ArrowException, ValueError) as error:
            raise InputError(
                f'{self.shown}: the column "image" cannot be read ({error}): write the file anew.'
            ) from None
        return [found.get(place) for place in places]
