"""Several models of a search as one: better than each on validation, and one bundle to hand on.

python examples/ensemble.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from torch import nn

from gradfleet import AutoModel, Bundle, Float, Int, Tuner


def mlp(input_shape, num_outputs, width=16):
    return nn.Sequential(nn.Linear(*input_shape, width), nn.ReLU(), nn.Linear(width, num_outputs))


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    rows = (pixels / 16).astype("float32")
    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(4, 64, log=True))
    tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
    study = AutoModel(tuner).fit((rows[:1200], digits[:1200]), trials=10, epochs=4, keep=10, cluster="inline")

    ensemble = study.ensemble()
    print(ensemble)
    print(ensemble.export("digits-ensemble"))
    bundle = Bundle.load("digits-ensemble", trust_program=True)  # networks of one's own travel as a program
    held_out = rows[1200:], digits[1200:]
    print(f"held out: {bundle.evaluate(held_out)['accuracy']:.4f}")
    print(f"the best single one: {study.best.model().evaluate(held_out)['accuracy']:.4f}")


if __name__ == "__main__":
    main()
