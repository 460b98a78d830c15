"""AutoImageClassifier: a data path is enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from autotasks import AutoImageClassifier
from gradfleet import Study, autotask, available_tasks
from gradfleet.errors import NotFoundError


def write_stripes(folder: Path, *, per_class: int, seed: int = 0) -> Path:
    """Class folders of 8x8 pictures with level or upright stripes."""
    generator = np.random.default_rng(seed)
    for label in ("level", "upright"):
        (folder / label).mkdir(parents=True)
        for number in range(per_class):
            stripes = np.tile((np.arange(8) % 2 * 200).astype("uint8"), (8, 1))
            pixels = (stripes.T if label == "level" else stripes) + generator.integers(0, 50, (8, 8), dtype="uint8")
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.png")
    return folder


@pytest.mark.row("DA7")
def test_a_path_is_enough_from_training_to_labels(tmp_path: Path) -> None:
    classifier = AutoImageClassifier(write_stripes(tmp_path / "stripes", per_class=24))
    classifier.fit(trials=2, epochs=8, cluster="inline", store=tmp_path / "g.db", progress=False)
    held_out = write_stripes(tmp_path / "held-out", per_class=6, seed=1)
    assert classifier.evaluate(held_out)["accuracy"] == 1.0
    files = [held_out / "upright" / "000.png", held_out / "level" / "003.png"]
    assert classifier.predict(files) == ["upright", "level"]
    probabilities = classifier.predict_proba(files)
    assert probabilities.shape == (2, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    assert any("validate" in note for note in classifier.data.notes), "what was chosen is recorded"
    assert list(classifier.leaderboard()["trial"].sort_values()) == [0, 1]
    # A study of a preset needs no trust: its recipe is found by the task's name.
    again = Study.attach(classifier.study.name, store=tmp_path / "g.db").best.model()
    assert again.predict(files) == ["upright", "level"]


def test_a_preset_is_found_by_its_name(tmp_path: Path) -> None:
    assert "image-classification" in available_tasks()
    made = autotask("image-classification", write_stripes(tmp_path / "stripes", per_class=4))
    assert isinstance(made, AutoImageClassifier)
    with pytest.raises(NotFoundError, match="Did you mean 'image-classification'"):
        autotask("image-clasification", tmp_path)
    with pytest.raises(NotFoundError, match="call fit"):
        made.predict([])


def test_the_portfolio_is_of_the_space() -> None:
    space = AutoImageClassifier.tuner().space()
    configs = [space.complete(config) for config in AutoImageClassifier.portfolio()]
    assert {config["architecture"] for config in configs} == {"cnn", "resnet", "mlp", "vit"}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.row("UX1")
def test_five_lines_reach_0_98_on_the_handwritten_digits_in_two_minutes(tmp_path: Path) -> None:
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype("uint8")[:, None]
    x, x_held_out, y, y_held_out = train_test_split(
        images, digits.target, test_size=360, stratify=digits.target, random_state=0
    )
    classifier = AutoImageClassifier((x, y))
    # The target only makes the test shorter than the two minutes that the row allows.
    classifier.fit(budget="2m", target=0.993, store=tmp_path / "g.db", progress=False)
    assert classifier.evaluate((x_held_out, y_held_out))["accuracy"] >= 0.98
