"""What a model says of each row, worst first, with pictures; and what its predictions hang on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gradfleet import Model
from gradfleet.data.prepared import DataFacts
from gradfleet.errors import DataError, SettingError
from gradfleet.trials.predictor import ModelPredictor

SIDE = 16


class Corner(nn.Module):
    """Says "lit" as far as the upper left quarter is bright, and looks at nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.float() / 255 if images.dtype == torch.uint8 else images
        bright = pixels[:, :, : SIDE // 2, : SIDE // 2].mean(dim=(1, 2, 3)) - 0.5
        return self.scale * torch.stack([-bright, bright], dim=1)


@pytest.fixture
def predictor() -> ModelPredictor:
    model = Model(Corner()).compile(kind="multiclass", metrics=["accuracy"])
    preparation = {"preparation": "image", "size": [SIDE, SIDE], "channels": 1, "largest": SIDE}
    facts = DataFacts("multiclass", (1, SIDE, SIDE), 2, ("dark", "lit"), preparation)
    return ModelPredictor(model, facts)


def picture(brightness: int) -> Image.Image:
    pixels = np.full((SIDE, SIDE), 128, "uint8")
    pixels[: SIDE // 2, : SIDE // 2] = brightness
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of four pictures, one lies in the wrong folder."""
    for name, brightness in {"dark/a": 0, "dark/b": 250, "lit/c": 255, "lit/d": 200}.items():
        path = tmp_path / "pictures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(brightness).save(path)
    return tmp_path / "pictures"


@pytest.mark.row("UX5")
def test_the_row_that_the_model_is_most_wrong_about_comes_first(predictor: ModelPredictor, folder: Path) -> None:
    table = predictor.results(folder).table
    first = table.iloc[0]
    assert Path(first["item"]).name == "b.png"
    assert (first["true"], first["predicted"]) == ("dark", "lit")
    assert first["loss"] == pytest.approx(-np.log(first["probability"]))
    assert table["loss"].is_monotonic_decreasing
    assert table["loss"].mean() == pytest.approx(predictor.evaluate(folder)["loss"], abs=1e-5)


@pytest.mark.row("UX5")
def test_results_are_drawn_as_pictures_with_what_they_were_taken_for(
    predictor: ModelPredictor, folder: Path, tmp_path: Path
) -> None:
    drawn = predictor.results(folder).plot(tmp_path / "worst.png", count=3)
    assert drawn.read_bytes().startswith(b"\x89PNG")
    words = predictor.results(folder).plot(tmp_path / "worst.svg").read_text()
    assert words.count("<image ") == 4


def test_losses_are_of_classes_and_pictures_of_images() -> None:
    rows = (torch.randn(8, 3), torch.arange(8) % 2)
    network = Model(nn.Linear(3, 2)).compile(kind="multiclass")
    numbers = ModelPredictor(network, DataFacts("multiclass", (3,), 2))
    found = numbers.results(rows)
    assert list(found.table["item"]) == list(found.table["row"])
    with pytest.raises(SettingError, match="Pictures are drawn of images"):
        found.plot("no.png")
    with pytest.raises(DataError, match="rows of numbers"):
        numbers.explain([[1.0, 2.0, 3.0]])
    amounts = ModelPredictor(Model(nn.Linear(3, 1)).compile(kind="regression"), DataFacts("regression", (3,), 1))
    with pytest.raises(DataError, match="this model's kind is regression"):
        amounts.results(rows)


@pytest.mark.parametrize("method", ["occlusion", "gradients"])
def test_a_prediction_hangs_on_the_places_that_the_network_looks_at(
    method: str, predictor: ModelPredictor, tmp_path: Path
) -> None:
    (explanation,) = predictor.explain([picture(255)], method=method)
    assert explanation.predicted == "lit"
    inside = np.abs(explanation.weights[: SIDE // 2, : SIDE // 2]).sum()
    assert inside > 0.85 * np.abs(explanation.weights).sum()
    assert explanation.weights[: SIDE // 2, : SIDE // 2].sum() > 0, "brightness speaks for lit"
    assert explanation.plot(tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SettingError, match="An image has no words"):
        explanation.top()


def test_an_unknown_method_is_named(predictor: ModelPredictor) -> None:
    with pytest.raises(SettingError, match="Did you mean 'occlusion'"):
        predictor.explain([picture(0)], method="oclusion")
