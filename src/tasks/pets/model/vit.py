"""The vision transformer. Imported where it is used, because PyTorch takes seconds.

Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929, with the layer norms before each block, as there.

Shapes: B images, S side of an image in pixels, N patches, T = N + 1 tokens, D width, H heads, K labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CHANNELS = 3


@dataclass(frozen=True)
class Architecture:
    """The sizes of the network. The image's side must be a multiple of the patch's, the width one of the heads."""

    image_size: int
    """Pixels of each side of the square images."""
    patch_size: int
    """Pixels of each side of the square patches."""
    width: int
    """Numbers in a token."""
    depth: int
    """Blocks of attention and perceptron."""
    heads: int
    mlp_ratio: int
    """Hidden units of a block's perceptron, in widths."""
    dropout: float
    """Share of the activations that is dropped after each half of a block while training."""


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V for each head: three (B, H, T, d) to (B, H, T, d).

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.2.1.
    """
    # Scaled before the product, where there are fewer numbers to scale.
    scaled = queries * (1 / math.sqrt(queries.shape[-1]))
    return torch.softmax(scaled @ keys.transpose(-2, -1), dim=-1) @ values  # (B, H, T, T), (B, H, T, d)


class Attention(nn.Module):
    """Self-attention of several heads: (B, T, D) to (B, T, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """What each token gathers from all."""
        n_images, n_tokens, width = tokens.shape

        def split(projected: Tensor) -> Tensor:
            return projected.view(n_images, n_tokens, self.heads, width // self.heads).transpose(1, 2)  # (B, H, T, d)

        gathered = attend(split(self.query(tokens)), split(self.key(tokens)), split(self.value(tokens)))
        return self.out(gathered.transpose(1, 2).reshape(n_images, n_tokens, width))


class Block(nn.Module):
    """Attention, then a perceptron on each token, each added to what it was given: (B, T, D) to (B, T, D)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, hidden = architecture.width, architecture.width * architecture.mlp_ratio
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, architecture.heads)
        self.perceptron_norm = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.drop = nn.Dropout(architecture.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens after one block."""
        tokens = tokens + self.drop(self.attention(self.attention_norm(tokens)))
        return tokens + self.drop(self.perceptron(self.perceptron_norm(tokens)))


class VisionTransformer(nn.Module):
    """(B, 3, S, S) to logits (B, K), from the mean of all tokens.

    One token beside the patches' is learnt: room to gather what belongs to no patch.
    """

    def __init__(self, architecture: Architecture, n_labels: int) -> None:
        super().__init__()
        self.patch_size = architecture.patch_size
        n_patches = (architecture.image_size // architecture.patch_size) ** 2
        self.embed = nn.Linear(CHANNELS * architecture.patch_size**2, architecture.width)
        self.extra_token = nn.Parameter(torch.randn(1, 1, architecture.width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, n_patches + 1, architecture.width))
        self.blocks = nn.Sequential(*(Block(architecture) for _ in range(architecture.depth)))
        self.norm = nn.LayerNorm(architecture.width)
        self.head = nn.Linear(architecture.width, n_labels)

    def forward(self, images: Tensor) -> Tensor:
        """One row of logits an image."""
        tokens = self.embed(patches(images, self.patch_size))  # (B, N, D)
        tokens = torch.cat([self.extra_token.expand(len(images), -1, -1), tokens], dim=1)  # (B, T, D)
        tokens = self.blocks(tokens + self.positions)
        return self.head(self.norm(tokens.mean(dim=1)))


def patches(images: Tensor, side: int) -> Tensor:
    """Images (B, C, S, S) cut into squares of `side` pixels, row by row: (B, N, C * side * side)."""
    n_images, channels, height, width = images.shape
    rows, columns = height // side, width // side
    cut = images.reshape(n_images, channels, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(n_images, rows * columns, channels * side * side)
