"""examples/digits_demo.py: the images it writes, and the whole of it in short."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image
from sklearn.datasets import load_digits

DEMO = Path(__file__).parents[2] / "examples" / "digits_demo.py"


def test_it_holds_out_a_fifth_with_every_digit_in_proportion() -> None:
    demo = runpy.run_path(str(DEMO))
    _, labels = load_digits(return_X_y=True)
    search, held_out = demo["split"](labels)
    assert (len(search), len(held_out)) == (1437, 360)
    assert sorted([*search, *held_out]) == list(range(1797))
    shares = numpy.bincount(labels[held_out]) / numpy.bincount(labels)
    assert numpy.abs(shares - 0.2).max() < 0.01


def test_the_images_are_the_digits_scaled_to_grey(here: Path) -> None:
    demo = runpy.run_path(str(DEMO))
    pixels, labels = load_digits(return_X_y=True)
    (here / "out" / "old").mkdir(parents=True)
    demo["write_images"](Path("out"), pixels, labels, [5, 1796])
    written = sorted(path.relative_to(here).as_posix() for path in (here / "out").rglob("*.*"))
    assert written == [f"out/{labels[5]}/0005.png", f"out/{labels[1796]}/1796.png"]
    assert not (here / "out" / "old").exists()
    with Image.open(written[0]) as image:
        assert (image.mode, image.size) == ("L", (8, 8))
        assert numpy.array_equal(numpy.asarray(image).ravel(), numpy.rint(pixels[5] * 255 / 16))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.soak
def test_in_short_it_ends_with_the_held_out_accuracy(here: Path, *, soak: bool) -> None:
    if not soak:
        pytest.skip("`make soak` runs the demo; the same search on the same digits is row UX1's test")
    ran = subprocess.run([sys.executable, str(DEMO), "--budget", "45s"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    name, accuracy = ran.stdout.splitlines()[-1].rsplit(" ", 1)
    assert name == "held-out accuracy"
    assert 0.5 < float(accuracy) <= 1
    assert "scikit-learn's SVC     354  0.9833" in ran.stdout
    assert [path.name for path in here.iterdir()] == ["digits"]
