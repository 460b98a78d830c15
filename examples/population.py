"""Population training: a handful of networks side by side; copies of the best go on with other learning rates.

python examples/population.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from torch import nn

from gradfleet import AutoModel, Float, Objective, Tuner
from gradfleet.study.schedulers import Population


def mlp(input_shape, num_outputs):
    return nn.Sequential(nn.Linear(*input_shape, 64), nn.ReLU(), nn.Linear(64, num_outputs))


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    tuner = Tuner()
    tuner.architecture("mlp", mlp)
    tuner.optimizer("sgd", learning_rate=Float(1e-3, 1.0, log=True), momentum=Float(0.0, 0.95))
    study = AutoModel(tuner, objective=Objective("val_loss", "min")).fit(
        ((pixels / 16).astype("float32"), digits),
        scheduler=Population(size=4, interval=1),
        trials=16,
        epochs=6,
        cluster="inline",
    )
    for trial in study.trials:
        origin = trial.came_from
        whence = "anew" if origin is None else f"from trial {origin.parent} after epoch {origin.epoch}"
        rate = trial.config["optimizer.sgd.learning_rate"]
        loss = "none that is a number" if trial.value is None else f"{trial.value:.4f}"
        print(f"trial {trial.number}: {whence}, learning rate {rate:.4f}, loss {loss}")
    print(f"best: trial {study.best.number}, loss {study.best.value:.4f}")


if __name__ == "__main__":
    main()
