"""Equal inputs give equal weights: every source of chance gets the same seed, and only exact kernels are used."""

from __future__ import annotations

import os
import random

from tasks.common.model.keras_file import import_keras


def seed_torch(seed: int) -> None:
    """Seed Python, NumPy and PyTorch, and refuse operations that are not deterministic."""
    # cuBLAS is deterministic only with a work space of fixed size, set before its first use.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def seed_keras(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and make TensorFlow's operations deterministic."""
    import tensorflow as tf

    import_keras().utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
