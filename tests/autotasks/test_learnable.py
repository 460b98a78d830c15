"""What a preset cannot learn from is refused when it is made, and what people mean by their data is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from autotasks import AutoImageClassifier, AutoSentimentClassifier, AutoSummarizer, AutoTextClassifier
from gradfleet import AutoDataset
from gradfleet.errors import DataError, SettingError
from tests.autotasks.small_texts import films


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures of two classes."""
    for number in range(12):
        place = tmp_path / "tones" / ("dark", "bright")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 5), 10 + 200 * (number % 2)).save(place / f"{number}.png")
    return tmp_path / "tones"


def table_of(folder: Path, labels: Any) -> pandas.DataFrame:
    return pandas.DataFrame({"image": sorted(map(str, folder.glob("*/*.png"))), "label": labels})


@pytest.mark.parametrize("preset", [AutoTextClassifier, AutoSentimentClassifier, AutoSummarizer])
def test_a_preset_of_texts_refuses_images(preset: Any, folder: Path) -> None:
    with pytest.raises(DataError, match=r"Texts are needed, .*; got images\."):
        preset(folder)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (films(20), r"Images need to be one column of files.* 'text' has 'The "),
        ((np.zeros((20, 4)), [0, 1] * 10), r"Images are needed: .* got arrays of numbers\."),
        ((np.full((20, 8, 8), 4095), [0, 1] * 10), r"Pixels need to be integers from 0 to 255 .* got 4095 to 4095"),
        (AutoDataset(films(20)), r"Images are needed: .* got texts\."),
    ],
)
def test_a_preset_of_images_refuses_what_is_none(data: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        AutoImageClassifier(data)


def test_amounts_are_no_classes_of_images_and_whole_floats_are(folder: Path) -> None:
    with pytest.raises(DataError, match=r"Classes need to be whole numbers or names, got the float 0\.5"):
        AutoImageClassifier(table_of(folder, [0.5 * number for number in range(12)]))
    assert AutoImageClassifier(table_of(folder, [1.0] * 6 + [2.0] * 6)).data.labels == ("1", "2")
    pixels = np.zeros((12, 1, 5, 6), "uint8")
    with pytest.raises(DataError, match=r"Classes are learned here, and .* are for regression"):
        AutoImageClassifier(AutoDataset((pixels, np.linspace(0, 1, 12))))


def test_labels_to_be_written_are_no_classes_and_classes_no_summaries() -> None:
    with pytest.raises(DataError, match="Summaries are texts, and the targets of this AutoDataset are for multiclass"):
        AutoSummarizer(AutoDataset(films(20)))
    with pytest.raises(DataError, match="the targets of this AutoDataset are for text"):
        AutoTextClassifier(AutoDataset(films(20), kind="text"))


@pytest.mark.parametrize(
    ("shape", "channels", "kind"), [((5, 6), 1, "uint8"), ((5, 6, 3), 3, "int64"), ((3, 5, 6), 3, "float64")]
)
def test_arrays_have_their_channels_where_people_put_them(
    shape: tuple[int, ...], channels: int, kind: str, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (24, *shape))
    images = noise + np.array([20, 180] * 12).reshape(24, *[1] * len(shape))
    given = images / 255 if kind == "float64" else images.astype(kind)
    classifier = AutoImageClassifier((given, ["dark", "bright"] * 12))
    assert classifier.data.open().facts.input_shape == (channels, 5, 6)
    classifier.model.narrow({"architecture": "mlp"})
    classifier.fit(trials=1, epochs=6, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert classifier.predict(given[:4].astype("float32" if kind == "float64" else kind)) == ["dark", "bright"] * 2
    assert classifier.evaluate((given, ["dark", "bright"] * 12))["accuracy"] == 1.0


def test_an_image_may_have_several_labels(folder: Path, tmp_path: Path) -> None:
    labels = [["any", "bright"] if "bright" in name else ["any"] for name in table_of(folder, "")["image"]]
    classifier = AutoImageClassifier(table_of(folder, labels))
    classifier.model.narrow({"architecture": "mlp", "callbacks.class_weights.strength": 1.0, "callbacks.mixing": "on"})
    classifier.fit(trials=1, epochs=30, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert classifier.predict([Image.new("L", (6, 5), 210), Image.new("L", (6, 5), 10)]) == [["any", "bright"], ["any"]]


def test_a_backbone_that_reads_something_else_is_refused(encoder: Path, folder: Path, tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    with pytest.raises(SettingError, match=r"No pretrained image network can be read .*: a bert reads no images"):
        AutoImageClassifier(folder, backbones=[encoder])
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(**sizes)).save_pretrained(tmp_path / "tiny-vit")
    with pytest.raises(SettingError, match=r"No pretrained text encoder can be read .*: a vit reads no texts"):
        AutoTextClassifier(films(20), backbones=[tmp_path / "tiny-vit"])


def test_numbers_outside_0_to_1_keep_their_colours() -> None:
    from autotasks.augmentation import Augmentation

    images = torch.randn(4, 3, 8, 8)
    assert torch.equal(Augmentation(colour=0.4, strength=0.5)(images), images)
    assert not torch.equal(Augmentation(colour=0.4)(images.sigmoid()), images.sigmoid())
