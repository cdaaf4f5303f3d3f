"""The two networks: a small CNN for small images, and ResNet-18.

Shapes: B examples, K grades, C channels, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

Name = Literal["small_cnn", "resnet18"]

IN_CHANNELS = 3
STAGES_OF_RESNET = 4
BLOCKS_OF_STAGE = 2


def build(name: Name, widths: Sequence[int], dropout: float, n_outputs: int) -> nn.Module:
    """The network from images (B, 3, H, W), float32, to logits (B, n_outputs), with freshly drawn weights.

    widths: channels of each stage, any number of stages for the small CNN and four for ResNet-18.
    """
    return (_small_cnn if name == "small_cnn" else _resnet18)(widths, dropout, n_outputs)


def _small_cnn(widths: Sequence[int], dropout: float, n_outputs: int) -> nn.Module:
    """Each stage a convolution 3 x 3, batch normalisation and a pooling by 2; then the mean over what is left."""
    from torch import nn

    layers: list[nn.Module] = []
    for before, width in pairwise([IN_CHANNELS, *widths]):
        layers += [
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # (B, width, H / 2, W / 2)
        ]
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),  # (B, C, 1, 1)
        nn.Flatten(),  # (B, C)
        nn.Dropout(dropout),
        nn.Linear(widths[-1], n_outputs),  # (B, n_outputs)
    )


def _resnet18(widths: Sequence[int], dropout: float, n_outputs: int) -> nn.Module:
    """He et al. 2016, https://arxiv.org/abs/1512.03385, with the names of parameters that are usual for its weights."""
    from collections import OrderedDict

    from torch import nn

    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(IN_CHANNELS, widths[0], 7, stride=2, padding=3, bias=False),  # (B, C1, H / 2, W / 2)
        bn1=nn.BatchNorm2d(widths[0]),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),  # (B, C1, H / 4, W / 4)
    )
    for stage, (before, width) in enumerate(pairwise([widths[0], *widths]), 1):
        blocks = [
            _block(before if block == 0 else width, width, 2 if stage > 1 and block == 0 else 1)
            for block in range(BLOCKS_OF_STAGE)
        ]
        parts[f"layer{stage}"] = nn.Sequential(*blocks)  # (B, C, H / 2^(stage + 1), W / 2^(stage + 1))
    parts["avgpool"] = nn.AdaptiveAvgPool2d(1)
    parts["flatten"] = nn.Flatten()  # (B, C4)
    parts["dropout"] = nn.Dropout(dropout)
    parts["fc"] = nn.Linear(widths[-1], n_outputs)  # (B, n_outputs)
    model = nn.Sequential(parts)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


def _block(before: int, width: int, stride: int) -> nn.Module:
    """Two convolutions 3 x 3 beside a way past them: (B, before, H, W) to (B, width, H / stride, W / stride)."""
    from torch import Tensor, nn

    class BasicBlock(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.downsample: nn.Module | None = None
            if stride != 1 or before != width:
                self.downsample = nn.Sequential(
                    nn.Conv2d(before, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
                )

        def forward(self, images: Tensor) -> Tensor:
            past = images if self.downsample is None else self.downsample(images)
            inside = self.relu(self.bn1(self.conv1(images)))
            return self.relu(self.bn2(self.conv2(inside)) + past)

    return BasicBlock()
