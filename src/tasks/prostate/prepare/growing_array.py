"""An array file whose number of rows is known only at its end, so that no data set has to fit into memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Append = Callable[["np.ndarray"], None]


@contextmanager
def growing_array(path: Path, row_shape: tuple[int, ...], dtype: Any) -> Iterator[Append]:
    """A function that appends (N, *row_shape) to the .npy file at `path`, and raises ValueError for anything else."""
    import numpy as np

    n_rows = 0
    with path.open("xb") as file:

        def append(rows: np.ndarray) -> None:
            nonlocal n_rows
            if rows.shape[1:] != row_shape or rows.dtype != np.dtype(dtype):
                raise ValueError(f"{rows.shape} of {rows.dtype} does not go on (N, {row_shape}) of {dtype}")
            file.write(np.ascontiguousarray(rows).data)
            n_rows += len(rows)

        file.write(_header(0, row_shape, dtype))
        yield append
        file.seek(0)
        # As long as the first, because NumPy leaves room in it for the first axis to grow.
        file.write(_header(n_rows, row_shape, dtype))


def _header(n_rows: int, row_shape: tuple[int, ...], dtype: Any) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    content = {"descr": descr, "fortran_order": False, "shape": (n_rows, *row_shape)}
    np.lib.format.write_array_header_1_0(buffer, content)
    return buffer.getvalue()
