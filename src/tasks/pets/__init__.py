"""Cats and dogs in photographs, told apart by a vision transformer trained from scratch in PyTorch."""
