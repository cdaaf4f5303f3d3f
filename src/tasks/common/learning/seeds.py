"""Equal inputs give equal weights: every source of chance gets the same seed, and only exact kernels are used."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.common.model.keras_file import import_keras

if TYPE_CHECKING:
    import numpy as np


def seed_torch(seed: int, deterministic: bool = True) -> None:
    """Seed Python, NumPy and PyTorch, and refuse operations that are not deterministic, or allow them."""
    # cuBLAS is deterministic only with a work space of fixed size, set before its first use.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic


def seed_keras(seed: int, deterministic: bool = True) -> None:
    """Seed Python, NumPy and TensorFlow, and make TensorFlow's operations deterministic where it is asked for."""
    import tensorflow as tf

    import_keras().utils.set_random_seed(seed)
    # TensorFlow has no way back from it within a process.
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def chance_arrays() -> dict[str, np.ndarray]:
    """Where Python's and NumPy's generators stand, for a checkpoint."""
    import numpy as np

    version, words, python_gauss = random.getstate()
    _, keys, position, has_gauss, cached_gauss = np.random.get_state()
    nothing = np.float64("nan")
    return {
        "python": np.array([version, *words], np.int64),
        "python_gauss": np.array(nothing if python_gauss is None else python_gauss, np.float64),
        "numpy": np.array([*keys, position, has_gauss], np.int64),
        "numpy_gauss": np.array(cached_gauss, np.float64),
    }


def set_chance(arrays: Mapping[str, np.ndarray]) -> None:
    """Put Python's and NumPy's generators where they stood when chance_arrays was called."""
    import numpy as np

    version, *words = arrays["python"].tolist()
    gauss = arrays["python_gauss"].item()
    random.setstate((version, tuple(words), None if np.isnan(gauss) else gauss))
    *keys, position, has_gauss = arrays["numpy"].tolist()
    state: tuple[Any, ...] = ("MT19937", np.array(keys, np.uint32), position, has_gauss, arrays["numpy_gauss"].item())
    np.random.set_state(state)
