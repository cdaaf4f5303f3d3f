"""What becomes of images in tests, where processes can find it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

# With as many images as the tests have: enough for processes to be started.
SECONDS = 0.015


def work() -> None:
    """As much as a large image is."""
    end = time.thread_time() + SECONDS
    while time.thread_time() < end:
        pass


def slowly(image: Image) -> np.ndarray:
    """The image, and a word where processes give their answers."""
    work()
    os.write(1, b"a library talks\n")
    return np.asarray(image)


def by_whom(_image: Image) -> np.ndarray:
    """(4,) uint8: the process that did it."""
    work()
    return np.frombuffer(os.getpid().to_bytes(4, "little"), np.uint8)


def only_in(image: Image, pid: int) -> np.ndarray:
    """The image, but in another process an error that nobody expects."""
    work()
    if os.getpid() != pid:
        raise ZeroDivisionError("one divided by none")
    return np.asarray(image)
