"""What a model says of each row, worst first, with pictures; and what its predictions hang on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gradfleet import Model
from gradfleet.data.prepared import DataFacts
from gradfleet.errors import DataError, SettingError
from gradfleet.tasks import DataNetwork, NamedInputs, TextPreparation
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


class Words(DataNetwork):
    """Says "good" where a text has the letter g, "long" where it has an l, each as sure as the other."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def reads(self, inputs: Any) -> NamedInputs:
        return NamedInputs({"has": torch.tensor([["g" in text, "l" in text] for text in inputs.texts])})

    def forward(self, has: torch.Tensor) -> torch.Tensor:
        return self.scale * (2.0 * has - 1)


@pytest.fixture
def labeller() -> ModelPredictor:
    """Of texts with several labels; its temperature halves what it is sure of."""
    preparation = TextPreparation().fit(["g", "l"])
    facts = DataFacts(
        "multilabel", (8,), 2, ("good", "long"), preparation.to_json(), tokens=preparation.facts(), label_type="str"
    )
    return ModelPredictor(Model(Words()).compile(kind="multilabel"), facts, temperature=2.0)


def test_of_several_labels_a_row_the_worst_is_named_with_the_probability_of_the_truth(labeller: ModelPredictor) -> None:
    texts, labels = ["g", "gl", "none", "l"], [["good"], ["good"], [], ["good", "long"]]
    table = labeller.results((texts, labels)).table
    assert list(table["item"]) == ["gl", "l", "g", "none"]
    assert list(table["true"]) == [["good"], ["good", "long"], ["good"], []]
    assert list(table["predicted"]) == [["good", "long"], ["long"], ["good"], []]
    assert list(table["worst"][:2]) == ["long", "good"]
    sure, wrong = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(1.0))
    np.testing.assert_allclose(table["probability"], [wrong, wrong, sure, sure])
    np.testing.assert_allclose(table["loss"][0], -(np.log(sure) + np.log(wrong)) / 2)
    raw = labeller.evaluate((texts, labels))["loss"]
    assert raw == pytest.approx(np.mean([np.log1p(np.exp(-2.0))] * 6 + [np.log1p(np.exp(2.0))] * 2)), "not calibrated"


def test_labels_in_a_pair_are_those_of_training(labeller: ModelPredictor) -> None:
    columns = np.array([[1, 0], [0, 1]])
    assert labeller.evaluate((["g", "l"], columns)) == labeller.evaluate((["g", "l"], [["good"], ("long",)]))
    with pytest.raises(DataError, match="it never saw 'bad'"):
        labeller.evaluate((["g", "l"], [["good"], ["bad"]]))
    numbers = ModelPredictor(
        Model(nn.Linear(3, 2)).compile(kind="multilabel"), DataFacts("multilabel", (3,), 2, ("good", "long"))
    )
    rows = torch.randn(2, 3)
    assert numbers.evaluate((rows, columns)) == numbers.evaluate((rows, [["good"], ["long"]]))


def test_one_of_several_labels_is_explained_by_name_or_the_most_likely_one(labeller: ModelPredictor) -> None:
    (likely,) = labeller.explain(["so g"])
    assert (likely.predicted, likely.top(1)[0][0]) == ("good", "g")
    (named,) = labeller.explain(["so g l"], target="long")
    assert (named.predicted, named.top(1)[0][0]) == ("long", "l")
    with pytest.raises(SettingError, match="No label is called 'lang'. Did you mean 'long'"):
        labeller.explain(["so g"], target="lang")


def test_another_class_than_the_predicted_one_is_explained_by_name(predictor: ModelPredictor) -> None:
    (explanation,) = predictor.explain([picture(255)], target="dark")
    assert explanation.predicted == "dark"
    assert explanation.weights[: SIDE // 2, : SIDE // 2].sum() < 0, "brightness speaks against dark"


def test_a_yes_or_no_has_losses_and_two_sides_to_explain() -> None:
    model = Model(nn.Sequential(nn.Flatten(), nn.Linear(4, 1))).compile(kind="binary")
    with torch.no_grad():
        model.network[1].weight.fill_(1.0)  # type: ignore[operator, index, union-attr]
    yes_or_no = ModelPredictor(model, DataFacts("binary", (1, 2, 2), 1))
    images = torch.full((2, 1, 2, 2), 2.0)
    table = yes_or_no.results((images, torch.tensor([1.0, 0.0]))).table
    assert list(zip(table["true"], table["predicted"], strict=True)) == [(0, 1), (1, 1)]
    for target, sign in (("1", 1), (0, -1)):
        (explanation,) = yes_or_no.explain([images[0] * torch.tensor([[0.0, 0.0], [0.0, 1.0]])], target=target)
        assert sign * explanation.weights[1, 1] > 0
