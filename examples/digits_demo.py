"""The main job on real data: handwritten digits as a folder of images, and from there the command line alone.

Writes the 1,797 digits that ship with scikit-learn to `digits/` in the working folder, holds a fifth of them out,
searches on the rest for two minutes, and measures the best model on what was held out.

    python examples/digits_demo.py --budget 2m
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

FOLDER = Path("digits")
SEARCH, HELD_OUT, STORE = FOLDER / "search", FOLDER / "held_out", FOLDER / "gradfleet.db"
NUM_HELD_OUT = 360  # a fifth of 1,797


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="2m", help="wall time of the search, such as 30s or 2m (default)")
    budget = parser.parse_args().budget
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the command that runs, which ends us with its code

    pixels, labels = load_digits(return_X_y=True)
    search, held_out = split(labels)
    say(f"{len(labels)} handwritten digits as PNG: {len(search)} to learn from in {SEARCH}/, {NUM_HELD_OUT} held out.")
    write_images(SEARCH, pixels, labels, search)
    write_images(HELD_OUT, pixels, labels, held_out)

    name = time.strftime("digits-%Y%m%d-%H%M%S")
    gradfleet("fit", "image-classification", SEARCH, "--budget", budget, "--name", name)
    gradfleet("leaderboard", name, "--top", 10)
    best = held_out_accuracy(name)
    default = held_out_accuracy(name, "--trial", 0)
    svc = SVC().fit(pixels[search] / 16, labels[search]).score(pixels[held_out] / 16, labels[held_out])

    files = [HELD_OUT / str(labels[row]) / file_name(row) for row in held_out[:5]]
    predicted = gradfleet_json("predict", name, *files)["predictions"]
    for file, one in zip(files, predicted, strict=True):
        say(f"  {file}  is a {file.parent.name}, predicted {one['label']}")

    say("")
    say(f"images        {SEARCH.absolute()} and {HELD_OUT.absolute()}")
    say(f"study         {name} in {STORE.absolute()}")
    say(f"checkpoints   {(FOLDER / 'gradfleet-artifacts' / name).absolute()}")
    say("")
    say(f"of {NUM_HELD_OUT} held-out images, right are:")
    for who, accuracy in (("best model", best), ("default configuration", default), ("scikit-learn's SVC", svc)):
        say(f"  {who:<22} {round(accuracy * NUM_HELD_OUT)}  {accuracy:.4f}")
    say(f"held-out accuracy {best:.4f}")


def held_out_accuracy(name: str, *options: object) -> float:
    accuracy: float = gradfleet_json("evaluate", name, HELD_OUT, *options)["metrics"]["accuracy"]
    say(f"  accuracy {accuracy:.4f}")
    return accuracy


def split(labels: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Row numbers to learn from and to hold out, every digit in proportion."""
    search, held_out = train_test_split(
        numpy.arange(len(labels)), test_size=NUM_HELD_OUT, stratify=labels, random_state=0
    )
    return search, held_out


def write_images(folder: Path, pixels: numpy.ndarray, labels: numpy.ndarray, rows: Iterable[int]) -> None:
    """`folder/<digit>/<row>.png`, 8 x 8 grey; the digits' 0..16 become 0..255. What was in the folder goes."""
    shutil.rmtree(folder, ignore_errors=True)
    grey = numpy.rint(pixels * 255 / 16).astype(numpy.uint8).reshape(-1, 8, 8)
    for row in rows:
        file = folder / str(labels[row]) / file_name(row)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey[row]).save(file)


def file_name(row: int) -> str:
    return f"{row:04}.png"


def gradfleet(*arguments: object) -> None:
    """Run the command line with its output where ours goes."""
    subprocess.run(command(arguments), check=True)


def gradfleet_json(*arguments: object) -> Any:
    """Run the command line and read what it prints."""
    return json.loads(subprocess.run(command([*arguments, "--json"]), check=True, stdout=subprocess.PIPE).stdout)


def command(arguments: Sequence[object]) -> list[str]:
    words = [*map(str, arguments), "--store", str(STORE)]
    say(f"\n$ gradfleet {shlex.join(words)}")
    return [str(Path(sysconfig.get_path("scripts"), "gradfleet")), *words]


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
