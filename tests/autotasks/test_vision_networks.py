"""The preset's networks take the images that the data layer makes, of any size and channel count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from autotasks.vision_networks import cnn, mlp, resnet, vit


@pytest.mark.parametrize("build", [mlp, cnn, resnet, vit])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 31), (3, 96, 64), (1, 2, 2)])
def test_every_network_takes_every_size_and_gives_an_output_a_class(
    build: Callable[..., nn.Module], shape: tuple[int, int, int]
) -> None:
    network = build(shape, 7)
    pixels = torch.randint(0, 256, (4, *shape), dtype=torch.uint8)
    assert network(pixels).shape == (4, 7)
    network.eval()
    assert torch.allclose(network(pixels), network(pixels.float() / 255), atol=1e-5), "pixels and floats are one image"


def test_depth_and_width_are_really_built() -> None:
    def parameters(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    shape = (1, 16, 16)
    assert parameters(cnn(shape, 10, channels=32)) > 2 * parameters(cnn(shape, 10, channels=16))
    assert parameters(cnn(shape, 10, depth=3)) > 2 * parameters(cnn(shape, 10, depth=2))
    assert parameters(resnet(shape, 10, depth=2)) > 1.5 * parameters(resnet(shape, 10, depth=1))
    assert parameters(vit(shape, 10, depth=4)) > 1.5 * parameters(vit(shape, 10, depth=2))
    assert parameters(mlp(shape, 10, depth=3)) > parameters(mlp(shape, 10, depth=1))


@pytest.mark.parametrize("build", [cnn, resnet, vit])
def test_a_large_picture_is_looked_at_with_as_many_pixels_as_asked(build: Callable[..., nn.Module]) -> None:
    small, large = build((3, 96, 64), 5, side=32).eval(), build((3, 96, 64), 5, side=96)
    pixels = torch.randint(0, 256, (2, 3, 96, 64), dtype=torch.uint8)
    assert small(pixels).shape == large(pixels).shape == (2, 5)
    resized = torch.nn.functional.interpolate(
        pixels.float() / 255, (32, 21), mode="bilinear", align_corners=False, antialias=True
    )
    assert torch.allclose(small(pixels), small(resized), atol=1e-4)
