"""One small study of striped pictures, and one of an own network, that every test exports from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from autotasks import AutoImageClassifier
from gradfleet import AutoModel, Choice, Study, Tuner


def write_stripes(folder: Path, *, each: int, seed: int = 0) -> Path:
    """Class folders of 8x8 pictures with level or upright stripes."""
    noise = np.random.default_rng(seed)
    for label in ("level", "upright"):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            stripes = np.tile((np.arange(8) % 2 * 120).astype("uint8"), (8, 1))
            pixels = (stripes.T if label == "level" else stripes) + noise.integers(0, 130, (8, 8), dtype="uint8")
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="session")
def classifier(place: Path) -> AutoImageClassifier:
    """Fitted; the folder that it learned from is gone."""
    pictures = write_stripes(place / "stripes", each=60)
    classifier = AutoImageClassifier(pictures)
    classifier.fit(trials=2, epochs=2, cluster="inline", store=place / "g.db", name="stripes", progress=False)
    shutil.rmtree(pictures)
    return classifier


class Doubled(nn.Module):
    """A network of the user's own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 2))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return 2 * self.layers(rows)


@pytest.fixture(scope="session")
def own_study(place: Path) -> Study:
    tuner = Tuner()
    tuner.architecture("doubled", Doubled, width=Choice(4, 8))
    rows = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    data = rows, (rows[:, 0] > rows[:, 1]).long()
    return AutoModel(tuner).fit(data, trials=1, epochs=3, cluster="inline", store=place / "own.db", progress=False)
