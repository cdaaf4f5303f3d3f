"""Handwritten digits, 8 x 8 pixels, told apart by a small CNN in PyTorch or TensorFlow: the task to copy."""
