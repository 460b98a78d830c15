"""Image networks that train from scratch, each a builder whose parameters are the dimensions of its search."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class PixelInput(nn.Module):
    """Pixels 0..255 as integers, or floats 0..1, of shape (rows, channels, height, width), to centred floats.

    The batch norm learns the channels' mean and deviation, so a network takes images as they were decoded and an
    exported one needs no other preprocessing than a resize.

    Args:
        size: (height, width) that images are brought to; None leaves theirs.
    """

    def __init__(self, channels: int, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.size = size
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not images.is_floating_point():
            images = images.float() / 255
        if self.size is not None:
            images = functional.interpolate(images, self.size, mode="bilinear", align_corners=False, antialias=True)
        centred: torch.Tensor = self.norm(images)
        return centred


def looked_at(input_shape: tuple[int, ...], side: int) -> tuple[int, int, PixelInput]:
    """Height and width of what a network sees, the longer at most `side`, and the layer that makes it of the images."""
    channels, height, width = input_shape
    scale = side / max(height, width)
    if scale >= 1:
        return height, width, PixelInput(channels)
    size = max(2, round(height * scale)), max(2, round(width * scale))
    return *size, PixelInput(channels, size)


def mlp(
    input_shape: tuple[int, ...], num_outputs: int, *, width: int = 256, depth: int = 2, dropout: float = 0.2
) -> nn.Module:
    """A multi-layer perceptron on the pixels."""
    channels, height, columns = input_shape
    layers: list[nn.Module] = [PixelInput(channels), nn.Flatten()]
    features = channels * height * columns
    for _ in range(depth):
        layers += [nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, num_outputs))


def cnn(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    channels: int = 16,
    depth: int = 3,
    side: int = 64,
    dropout: float = 0.2,
) -> nn.Module:
    """A VGG-like net: `depth` stages of two 3x3 convolutions, each stage halving the sides and doubling the channels.

    The first stage has one: at full size a convolution costs most and finds no more than edges. A stage that would make
    a side smaller than 2 pixels keeps the size instead. Images are looked at with at most `side` pixels a side.
    """
    features = input_shape[0]
    height, width, pixels = looked_at(input_shape, side)
    layers: list[nn.Module] = [pixels]
    for stage in range(depth):
        outputs = channels * 2**stage
        for inputs in (features,) if stage == 0 else (features, outputs):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        if min(height, width) >= 4:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        features = outputs
    # Where a thing is matters in a small picture: up to 4x4 places are kept apart.
    layers += [nn.AdaptiveAvgPool2d((min(height, 4), min(width, 4))), nn.Flatten(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(features * min(height, 4) * min(width, 4), num_outputs))


class SmallResNet(nn.Module):
    """transformers' ResNet from its configuration, with a stem that suits the size of the images.

    Under 64 pixels the 7x7 stride-2 convolution and its max pooling would leave nothing to look at; they become one
    3x3 convolution of stride 1, as in He et al. (2016, arXiv:1512.03385, section 4.2) for CIFAR.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_outputs: int, *, channels: int, depth: int, side: int, dropout: float
    ) -> None:
        from transformers import ResNetConfig, ResNetModel

        super().__init__()
        image_channels = input_shape[0]
        height, width, self.pixels = looked_at(input_shape, side)
        stages = 3 if min(height, width) < 64 else 4
        sizes = [channels * 2**stage for stage in range(stages)]
        self.backbone = ResNetModel(
            ResNetConfig(
                num_channels=image_channels,
                embedding_size=channels,
                hidden_sizes=sizes,
                depths=[depth] * stages,
                layer_type="basic",
            )
        )
        if min(height, width) < 64:
            stem = self.backbone.embedder
            stem.embedder.convolution = nn.Conv2d(image_channels, channels, 3, padding=1, bias=False)
            stem.pooler = nn.MaxPool2d(1)  # of one pixel: nothing
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(sizes[-1], num_outputs))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.backbone(self.pixels(images)).pooler_output)
        return outputs


def resnet(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    channels: int = 16,
    depth: int = 1,
    side: int = 64,
    dropout: float = 0.1,
) -> nn.Module:
    """A residual net of basic blocks, `depth` of them a stage; see `cnn` for `side`."""
    return SmallResNet(input_shape, num_outputs, channels=channels, depth=depth, side=side, dropout=dropout)


class SmallViT(nn.Module):
    """transformers' ViT from its configuration, on about 8 x 8 patches; the mean of what it makes of them is read."""

    def __init__(
        self, input_shape: tuple[int, ...], num_outputs: int, *, width: int, depth: int, side: int, dropout: float
    ) -> None:
        from transformers import ViTConfig, ViTModel

        super().__init__()
        height, columns, self.pixels = looked_at(input_shape, side)
        settings: dict[str, Any] = {
            "num_channels": input_shape[0],
            "image_size": (height, columns),
            "patch_size": max(1, round(min(height, columns) / 8)),
            "hidden_size": width,
            "num_hidden_layers": depth,
            "num_attention_heads": max(1, width // 32),
            "intermediate_size": 2 * width,
            "hidden_dropout_prob": dropout,
        }
        self.backbone = ViTModel(ViTConfig(**settings), add_pooling_layer=False)
        self.head = nn.Linear(width, num_outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        states = self.backbone(self.pixels(images)).last_hidden_state
        outputs: torch.Tensor = self.head(states[:, 1:].mean(dim=1))
        return outputs


def vit(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    width: int = 64,
    depth: int = 4,
    side: int = 64,
    dropout: float = 0.1,
) -> nn.Module:
    """A small vision transformer (Dosovitskiy et al., 2021, arXiv:2010.11929); see `cnn` for `side`."""
    return SmallViT(input_shape, num_outputs, width=width, depth=depth, side=side, dropout=dropout)
