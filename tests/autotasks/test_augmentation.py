"""Augmentation changes training batches only, each image by its own amounts, and what it says is what it does."""

from __future__ import annotations

import pytest
import torch

from autotasks.augmentation import VIEWS, Augmentation
from gradfleet import Model
from gradfleet.tasks import DataFacts, ModelPredictor
from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context


def dot(side: int = 9) -> torch.Tensor:
    """A black picture with one white pixel off the centre."""
    image = torch.zeros(1, 1, side, side)
    image[0, 0, 2, 3] = 1
    return image


def test_nothing_asked_changes_nothing() -> None:
    images = torch.rand(4, 3, 8, 8)
    assert torch.equal(Augmentation()(images), images)


def test_pixels_become_floats_between_0_and_1() -> None:
    images = torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8)
    changed = Augmentation(shift=0.2, rotation=20, scale=0.2, erase=0.3)(images)
    assert changed.dtype == torch.float32
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_mirrored_image_is_the_image_or_its_reflection_and_both_happen() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 6, 8).expand(32, -1, -1, -1)
    mirrored = Augmentation(mirror=True)(images)
    same = [torch.allclose(one, images[0], atol=1e-5) for one in mirrored]
    flipped = [torch.allclose(one, images[0].flip(-1), atol=1e-5) for one in mirrored]
    assert all(a != b for a, b in zip(same, flipped, strict=True))
    assert 4 < sum(flipped) < 28


def test_a_shift_moves_by_at_most_its_fraction_of_a_side() -> None:
    torch.manual_seed(0)
    images = dot(20).expand(200, -1, -1, -1)
    moved = Augmentation(shift=0.1)(images)
    rows = (moved.sum(dim=(1, 3)) * torch.arange(20)).sum(1) / moved.sum(dim=(1, 2, 3))
    assert (rows - 2).abs().max() <= 2.01
    assert rows.std() > 0.5


def test_a_turn_keeps_distances_in_a_picture_that_is_not_square() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 41, 81)
    image[0, 0, 18:23, 58:63] = 1  # 20 pixels right of the centre
    turned = Augmentation(rotation=30)(image.expand(50, -1, -1, -1))
    mass = turned.sum(dim=(1, 2, 3))
    y = (turned.sum(dim=(1, 3)) * (torch.arange(41) - 20)).sum(1) / mass
    x = (turned.sum(dim=(1, 2)) * (torch.arange(81) - 40)).sum(1) / mass
    assert (x.hypot(y) - 20).abs().max() < 0.3
    assert y.abs().max() > 5


def test_an_erased_square_has_the_asked_size() -> None:
    images = torch.linspace(0, 1, 400).reshape(1, 1, 20, 20).expand(8, -1, -1, -1)
    changed = (Augmentation(erase=0.25)(images) != images).flatten(1).sum(1)
    assert set(changed.tolist()) <= {24, 25}, "a pixel that is the mean already does not change"


@pytest.mark.row("DA7")
def test_training_batches_are_augmented_and_validation_batches_are_not() -> None:
    seen: dict[str, list[torch.Tensor]] = {"train": [], "validation": []}

    class Watch(Callback):
        priority = 99

        def on_batch_start(self, context: Context) -> None:
            seen["train"].append(context.batch[0])

        def on_validation_batch_end(self, context: Context) -> None:
            seen["validation"].append(context.batch[0])

    images = torch.randint(0, 256, (8, 1, 6, 6), dtype=torch.uint8)
    targets = torch.arange(8) % 2

    class Pixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(36, 2)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            pixels = batch.float() / 255 if batch.dtype == torch.uint8 else batch
            outputs: torch.Tensor = self.linear(pixels.flatten(1))
            return outputs

    model = Model(Pixels()).compile("cross_entropy")
    model.fit(
        (images, targets), (images, targets), epochs=1, batch_size=8, callbacks=[Augmentation(shift=0.2), Watch()]
    )
    assert seen["train"][0].dtype == torch.float32
    assert torch.equal(seen["validation"][0], images)


def test_colours_change_and_places_do_not() -> None:
    torch.manual_seed(0)
    images = torch.full((4, 3, 8, 8), 0.5)
    images[:, 0] = 0.8
    changed = Augmentation(colour=0.4)(images)
    assert not torch.allclose(changed, images, atol=0.01)
    assert changed.flatten(2).std(dim=2).max() < 1e-5, "an even picture stays even"
    assert len({round(float(one[0, 0, 0]), 4) for one in changed}) > 1, "each image by its own amounts"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_policy_keeps_shape_and_range(channels: int) -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (4, channels, 12, 12), dtype=torch.uint8)
    changed = Augmentation(strength=0.4, colour=0.1)(images)
    assert changed.shape == images.shape
    assert 0 <= changed.min() <= changed.max() <= 1


@pytest.mark.row("TL14")
def test_the_mean_over_an_image_and_its_reflection_is_predicted_in_order() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(36, 3))
    model = Model(network).compile(kind="multiclass", metrics=["accuracy"])
    predictor = ModelPredictor(model, DataFacts("multiclass", (1, 6, 6), 3, ("a", "b", "c")), batch_size=4)
    images = torch.rand(10, 1, 6, 6)
    network.eval()
    with torch.no_grad():
        both = (network(images) + network(images.flip(-1))) / 2
    network.train()
    assert torch.allclose(predictor.outputs(images, VIEWS), both, atol=1e-6)
    assert predictor.predict(images, views=VIEWS) == ["abc"[one] for one in both.argmax(1).tolist()]
    assert predictor.predict_proba(images, views=VIEWS) == pytest.approx(both.softmax(1).numpy(), abs=1e-6)
    truth = both.argmax(1)
    assert predictor.evaluate((images, truth.numpy()), views=VIEWS)["accuracy"] == 1.0
    assert network.training, "the mode is put back"
