"""From a folder of images to a prediction by a bundle in another process: which digit did somebody write?

    python examples/image_classification.py

The images are the handwritten digits that ship with scikit-learn, written as files. Takes about half a minute.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from PIL import Image
from sklearn.datasets import load_digits

from autotasks import AutoImageClassifier

HELD_OUT = 5  # every fifth image


def write_digits(folder: Path) -> None:
    """`search/<digit>/<number>.png` to learn from, and the same below `held_out`."""
    pixels, digits = load_digits(return_X_y=True)
    for number, (row, digit) in enumerate(zip(pixels, digits, strict=True)):
        place = folder / ("search" if number % HELD_OUT else "held_out") / str(digit)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((row.reshape(8, 8) * 15).astype(numpy.uint8)).save(place / f"{number:04}.png")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_digits(folder)
        classifier = AutoImageClassifier(folder / "search")
        classifier.fit(trials=3, epochs=8, cluster="inline", store=folder / "study.db")
        print(classifier.leaderboard()[["trial", "architecture", "value"]].to_string(index=False))
        print(f"accuracy on held-out images: {classifier.evaluate(folder / 'held_out')['accuracy']:.3f}")
        print(classifier.top_losses(folder / "held_out", 3)[["true", "predicted", "loss"]].to_string(index=False))

        image = next((folder / "held_out" / "3").iterdir())
        print(f"here: {classifier.predict([image])}", flush=True)
        classifier.export(folder / "model")
        code = "import gradfleet, sys; print('there:', gradfleet.Bundle.load(sys.argv[1]).predict([sys.argv[2]]))"
        subprocess.run([sys.executable, "-c", code, str(folder / "model"), str(image)], check=True)


if __name__ == "__main__":
    main()
