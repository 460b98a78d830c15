"""Accurate and small at once, and never slower than a limit: a search with two objectives and a constraint.

python examples/constrained_search.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from torch import nn

from gradfleet import AutoModel, Float, Int, Objective, Tuner


def mlp(input_shape: tuple[int, ...], num_outputs: int, *, width: int = 32) -> nn.Module:
    return nn.Sequential(nn.Linear(*input_shape, width), nn.ReLU(), nn.Linear(width, num_outputs))


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(4, 256, log=True))
    tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
    model = AutoModel(
        tuner,
        objective=[Objective("val_accuracy", "max"), Objective("num_parameters", "min")],
        constraints=["latency_ms <= 20"],
    )
    data = (pixels / 16).astype("float32"), digits
    study = model.fit(data, trials=12, epochs=4, cluster="inline")
    for trial in study.front:
        print(f"trial {trial.number}: accuracy {trial.value:.4f}, {trial.metrics['num_parameters']:.0f} parameters")


if __name__ == "__main__":
    main()
