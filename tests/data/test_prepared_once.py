"""Images are decoded once a sweep, into a file that is mapped rather than held."""

from __future__ import annotations

import ctypes
import gc
import io
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from gradfleet import AutoDataset, AutoModel, Float, Tuner
from gradfleet.data.labelled import labelled
from gradfleet.data.loaders import make_batches
from gradfleet.data.vision import ImagePreparation
from gradfleet.errors import DataError


def flat(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(30), nn.Linear(30, num_outputs))


@pytest.mark.row("DA9")
def test_eight_trials_decode_each_image_once(class_folders: Any, tmp_path: Path, decoded: list[str]) -> None:
    folder = class_folders({"rose": 20, "tulip": 20})
    tuner = Tuner()
    tuner.architecture("flat", flat)
    tuner.add("learning_rate", Float(1e-4, 1e-1, log=True))
    study = AutoModel(tuner).fit(
        AutoDataset(folder, preparation=ImagePreparation(channels=1)),
        trials=8,
        epochs=1,
        cluster="inline",
        store=tmp_path / "g.db",
        progress=False,
    )
    assert len(study.trials) == 8
    assert Counter(decoded) == Counter(str(path) for path in folder.rglob("*.png"))


def anonymous() -> float:
    """MB that this process holds beside mapped files; what was freed is given back first, which malloc may put off."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def pictures(folder: Path, each: int, side: int) -> Path:
    """Two classes of `each` times one noisy picture of `side` x `side` pixels."""
    noise = np.random.default_rng(0)
    for label in ("rose", "tulip"):
        (folder / label).mkdir(parents=True)
        picture = io.BytesIO()
        Image.fromarray(noise.integers(0, 256, (8, 8, 3), "uint8")).resize((side, side)).save(picture, "JPEG")
        for number in range(each):
            (folder / label / f"{number}.jpg").write_bytes(picture.getvalue())
    return folder


def most_held(folder: Path, cache: Path) -> float:
    """MB at the most while a folder is prepared and gone through once."""
    data = AutoDataset(folder).prepare(cache).open()
    most = anonymous()
    for number, _ in enumerate(make_batches(data.train, batch_size=32, shuffle=True, seed=0).epoch(0)):
        most = max(most, anonymous() if number % 16 == 0 else 0)
    return most


@pytest.mark.row("DA9")
def test_a_folder_is_never_held_in_memory(tmp_path: Path) -> None:
    side, each = 160, 3_200
    decoded = 2 * each * 3 * side**2 / 2**20
    before = most_held(pictures(tmp_path / "few", 100, side), tmp_path / "cache")  # with all that libraries hold
    held = most_held(pictures(tmp_path / "many", each, side), tmp_path / "cache") - before
    assert held < decoded / 2, f"{held:.0f} MB were held of {decoded:.0f} MB"


@pytest.mark.row("DA9")
def test_nor_is_one_that_is_evaluated_on(tmp_path: Path) -> None:
    side, each = 160, 800
    few, many = pictures(tmp_path / "few", 40, side), pictures(tmp_path / "many", each, side)
    facts = AutoDataset(few).open().facts
    kept = labelled(few, facts).examples
    before = anonymous()  # with all that libraries hold
    kept = labelled(many, facts).examples
    held, decoded = anonymous() - before, 2 * each * 3 * side**2 / 2**20
    assert kept.inputs.shape == (2 * each, 3, side, side)
    assert held < decoded / 2, f"{held:.0f} MB were held of {decoded:.0f} MB"


def png_of(width: int, height: int) -> bytes:
    """A whole PNG of one bit a pixel, as small as its compression makes it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1 + (width + 7) // 8) * height, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_an_image_of_400_megapixels_and_one_of_a_single_pixel_are_named(class_folders: Any) -> None:
    folder = class_folders({"rose": 3, "tulip": 3})
    (folder / "rose" / "huge.png").write_bytes(png_of(20_000, 20_000))
    (folder / "tulip" / "dot.png").write_bytes(png_of(1, 1))
    before = anonymous()
    with pytest.raises(DataError) as refused:
        AutoDataset(folder).open()
    assert anonymous() - before < 100, "400 megapixels are not decoded to be refused"
    first, second = sorted(refused.value.problems[:2])
    assert "huge.png" in first
    assert "pixels" in first
    assert "dot.png has 1 x 1 pixels; an image needs at least 2 x 2" in second
    kept = AutoDataset(folder, on_bad_rows="skip")
    assert sum(kept.open().facts.num_rows.values()) == 6
    assert any("Left out 2 images" in note for note in kept.notes)
