"""Networks, input size and epochs are chosen by the measured speed: small ones for a minute, large ones for a day."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotasks import AutoImageClassifier
from autotasks.image_sizes import ImageSizes, Looking
from gradfleet import AutoDataset, Resources
from gradfleet.fitting import Search
from gradfleet.tasks import Situation, Tailoring

ARCHITECTURES = ("cnn", "resnet", "vit", "mlp")


def situation(folder: Path, *, seconds: float | None, side: int = 12, is_here: bool = True) -> Situation:
    noise = np.random.default_rng(0)
    images = noise.integers(0, 256, (40, 1, side, side), dtype="uint8")
    data = AutoDataset((images, np.arange(40) % 2)).prepare(folder)
    return Situation(data, seconds, seconds, Resources(), is_here)


def sizes(**changed: Any) -> ImageSizes:
    settings: Mapping[str, Any] = {"known": AutoImageClassifier.portfolio(), "epochs": None, "choices": ARCHITECTURES}
    return ImageSizes({}, **{**settings, **changed})


def pretrained(folder: Path) -> str:
    """A network that looks at images of 128 pixels a side, or fewer."""
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=64, hidden_sizes=[64, 64], depths=[1, 1], layer_type="basic")
    ResNetModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 128, "width": 128}}))
    return str(folder)


def tailored(found: Tailoring | None) -> tuple[list[str], int, int]:
    """Architectures, channels of the convolutional net, epochs."""
    assert found is not None
    narrowing: Any = found.narrowing
    return narrowing["architecture"]["choices"], narrowing["architecture.cnn.channels"]["default"], found.epochs


def is_of_the_space(found: Tailoring) -> bool:
    space = AutoImageClassifier.automodel().narrow(found.narrowing).space
    complete = [space.complete(config) for config in found.portfolio]
    return len(complete) > 1 and space.default()["architecture"] == "cnn"


def test_a_day_has_the_time_for_everything_and_a_moment_for_the_smallest_net(tmp_path: Path) -> None:
    long = sizes()(situation(tmp_path, seconds=86_400))
    assert tailored(long) == (["cnn", "resnet", "vit", "mlp"], 64, 50)
    short = sizes()(situation(tmp_path, seconds=1e-3))
    assert long is not None
    assert is_of_the_space(long)
    assert tailored(short) == (["cnn", "mlp"], 8, 1)
    assert short is not None
    assert is_of_the_space(short)
    assert {config["architecture"] for config in short.portfolio} == {"cnn", "mlp"}
    assert "8 channels on 12 pixels a side" in short.said
    assert "no time for resnet, vit" in short.said


def test_the_users_epochs_stay_and_the_networks_are_made_to_fit(tmp_path: Path) -> None:
    assert tailored(sizes(epochs=7)(situation(tmp_path, seconds=1e-3)))[1:] == (8, 7)


def test_pixels_of_a_large_picture_are_no_input_of_a_perceptron(tmp_path: Path) -> None:
    assert tailored(sizes()(situation(tmp_path, seconds=1e-3, side=40)))[0] == ["cnn"]


@pytest.mark.parametrize(
    ("seconds", "tuned", "probed"),
    [
        (10, (), ()),
        (180, (), (128, 160, 192)),
        (300, (128,), (128, 160, 192, 224)),
        (600, (128, 160, 192, 224), (128, 160, 192, 224)),
    ],
)
def test_a_pretrained_network_looks_at_images_as_large_as_there_is_time_for(
    seconds: float, tuned: tuple[int, ...], probed: tuple[int, ...]
) -> None:
    found = Looking.within(seconds, 240.0, (128, 160, 192, 224))
    assert (found.tuned, found.probed) == (tuned, probed)
    assert found.epoch == pytest.approx(240.0 * (tuned[-1] / 224) ** 2 if tuned else math.inf)


def test_few_images_are_left_to_a_pretrained_network_that_is_there(tmp_path: Path) -> None:
    backbones = [pretrained(tmp_path / "net")]
    choices = ("cnn", "resnet", "vit", "mlp", "net-frozen", "net")
    tailor = ImageSizes(
        {"net": backbones[0]}, known=AutoImageClassifier.portfolio(backbones), epochs=None, choices=choices
    )
    few = tailor(situation(tmp_path / "few", seconds=86_400, side=40))
    assert few is not None
    narrowing: Any = few.narrowing
    assert narrowing["architecture"] == {"choices": ["net-frozen", "net"], "default": "net-frozen"}
    assert narrowing["architecture.net-frozen.side"] == {"choices": [128], "default": 128}
    assert narrowing["optimizer"] == "adamw"
    assert narrowing["layer_decay"] == {"high": 0.05, "default": 0.01}
    assert narrowing["architecture.net.side"] == {"choices": [96, 128], "default": 128}
    assert "so few images are left to pretrained networks; fine-tuning net on 128 pixels a side" in few.said
    assert [config["architecture"] for config in few.portfolio] == ["net-frozen", "net"]
    AutoImageClassifier.automodel(backbones).narrow(narrowing)
    small = tailor(situation(tmp_path / "small", seconds=86_400, side=12))
    assert small is not None
    small_narrowing: Any = small.narrowing
    assert set(small_narrowing["architecture"]["choices"]) == set(choices), "pictures may be too small for it"


def tailor_of(backbone: str, **changed: Any) -> ImageSizes:
    choices = ("cnn", "resnet", "vit", "mlp", "net-frozen", "net")
    return ImageSizes({"net": backbone}, known=[], epochs=None, choices=choices, **changed)


def test_what_nobody_draws_without_fine_tuning_is_not_narrowed(tmp_path: Path) -> None:
    facts = AutoDataset((np.zeros((40, 1, 40, 40), "uint8"), np.arange(40) % 2)).open().facts
    probed = Looking(tuned=(), epoch=math.inf, probed=(224,))
    found = tailor_of(str(tmp_path / "net"))._tailoring(facts, {}, {"net": probed}, 12, 60.0)
    model = AutoImageClassifier.automodel([str(tmp_path / "net")])
    weighing = {"callbacks.class_weights.strength": {"choices": [0.0]}}
    found = Tailoring({**found.narrowing, **weighing}, found.epochs, found.portfolio, found.said)
    search = Search(model.recipe, model.space, {}, None).tailored(found)
    assert search.space.names == ("architecture", "architecture.net-frozen.side", "architecture.net-frozen.strength")


def test_a_network_that_the_user_chose_is_fitted_to_few_images_too(tmp_path: Path) -> None:
    found = tailor_of(pretrained(tmp_path / "net"), is_free=False)(situation(tmp_path / "few", seconds=3.0, side=40))
    assert found is not None
    assert "architecture.cnn.channels" in found.narrowing
    assert "so few images" not in found.said


def test_nothing_is_measured_here_for_trials_elsewhere_or_without_a_time(tmp_path: Path) -> None:
    assert sizes()(situation(tmp_path, seconds=60, is_here=False)) is None
    assert sizes()(situation(tmp_path, seconds=None)) is None


def test_of_many_images_a_smaller_part_validates() -> None:
    validating = {}
    for count in (100, 5_000, 10_000, 60_000):
        data = AutoImageClassifier((np.zeros((count, 1, 2, 2), "uint8"), np.arange(count) % 2)).data
        validating[count] = data.open().facts.num_rows["validation"]
    assert validating == {100: 20, 5_000: 1_000, 10_000: 1_000, 60_000: 3_000}
