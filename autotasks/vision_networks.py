"""Image networks that train from scratch, each a builder whose parameters are the dimensions of its search."""

from __future__ import annotations

import torch
from torch import nn


class PixelInput(nn.Module):
    """uint8 pixels 0..255, or floats 0..1, of shape (rows, channels, height, width), to centred floats.

    The batch norm learns the channels' mean and deviation, so a network takes images as they were decoded and an
    exported one needs no other preprocessing than a resize.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.dtype == torch.uint8:
            images = images.float() / 255
        centred: torch.Tensor = self.norm(images)
        return centred


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
    input_shape: tuple[int, ...], num_outputs: int, *, channels: int = 32, depth: int = 2, dropout: float = 0.2
) -> nn.Module:
    """A VGG-like net: `depth` stages of two 3x3 convolutions, each stage halving the sides and doubling the channels.

    A stage that would make a side smaller than 2 pixels keeps the size instead.
    """
    features, height, width = input_shape
    layers: list[nn.Module] = [PixelInput(features)]
    for stage in range(depth):
        outputs = channels * 2**stage
        for inputs in (features, outputs):
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
        self, input_shape: tuple[int, ...], num_outputs: int, *, channels: int, depth: int, dropout: float
    ) -> None:
        from transformers import ResNetConfig, ResNetModel

        super().__init__()
        image_channels, height, width = input_shape
        stages = 3 if min(height, width) < 64 else 4
        sizes = [channels * 2**stage for stage in range(stages)]
        self.pixels = PixelInput(image_channels)
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
    input_shape: tuple[int, ...], num_outputs: int, *, channels: int = 32, depth: int = 1, dropout: float = 0.1
) -> nn.Module:
    """A residual net of basic blocks, `depth` of them a stage."""
    return SmallResNet(input_shape, num_outputs, channels=channels, depth=depth, dropout=dropout)
