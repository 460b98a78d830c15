"""A search that grows while it goes on: more widths and another optimizer, and what was learned is kept.

python examples/extended_search.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from torch import nn

from gradfleet import AutoModel, Float, Int, Tuner


def mlp(input_shape, num_outputs, width=16):
    return nn.Sequential(nn.Linear(*input_shape, width), nn.ReLU(), nn.Linear(width, num_outputs))


def search(*, widest: int, optimizers: tuple[str, ...], trials: int, extend: bool):
    pixels, digits = load_digits(return_X_y=True)
    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(4, widest, log=True))
    for name in optimizers:
        tuner.optimizer(name, learning_rate=Float(1e-3, 1e-1, log=True))
    data = (pixels / 16).astype("float32"), digits
    return AutoModel(tuner).fit(data, trials=trials, epochs=3, name="growing", extend=extend, cluster="inline")


def main() -> None:
    for widest, optimizers, trials in ((32, ("adamw",), 4), (128, ("adamw", "sgd"), 10)):
        study = search(widest=widest, optimizers=optimizers, trials=trials, extend=trials > 4)
        widths = [trial.config["architecture.mlp.width"] for trial in study.trials]
        print(f"{len(widths)} trials, widths {widths}, best {study.best.value:.4f}")


if __name__ == "__main__":
    main()
