"""A search that is gone on with: first a few trials, then more of them, each three runs with other seeds.

python examples/resumed_search.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from torch import nn

from gradfleet import AutoModel, Float, Int, Tuner


def mlp(input_shape: tuple[int, ...], num_outputs: int, *, width: int = 32) -> nn.Module:
    return nn.Sequential(nn.Linear(*input_shape, width), nn.ReLU(), nn.Linear(width, num_outputs))


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    data = (pixels / 16).astype("float32"), digits
    for trials in (2, 4):  # the second call could as well be in another process, after the first was killed
        tuner = Tuner()
        tuner.architecture("mlp", mlp, width=Int(4, 256, log=True))
        tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
        study = AutoModel(tuner).fit(
            data, trials=trials, epochs=3, repeats=3, name="digits", resume=True, retry_failed=True, cluster="inline"
        )
        print(
            f"{len(study.trials)} trials, best {study.best.value:.4f} +- {study.best.metrics['val_accuracy_std']:.4f}"
        )


if __name__ == "__main__":
    main()
