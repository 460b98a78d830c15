"""Small real folders of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

MakeFolder = Callable[..., Path]


@pytest.fixture
def class_folders(tmp_path: Path) -> MakeFolder:
    """Make `name/<class>/<n>.png` of noise, `counts` images a class; classes may be nested as `train/rose`."""

    def make(counts: Mapping[str, int], name: str = "flowers", size: tuple[int, int] = (6, 5), mode: str = "L") -> Path:
        random = np.random.default_rng(0)
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for label, count in counts.items():
            (root / label).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = random.integers(0, 256, (*size, 3), np.uint8)
                Image.fromarray(pixels).convert(mode).save(root / label / f"{number:03}.png")
        return root

    return make


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file that Pillow decodes, as often as it does."""
    names: list[str] = []
    prepare = ImageFile.ImageFile.load_prepare

    def count(image: ImageFile.ImageFile) -> None:
        names.append(str(image.filename))
        prepare(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", count)
    return names
