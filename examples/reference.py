"""A reference to hold an installation against: one network, fixed settings, one seed.

On the last 360 of the 1,797 handwritten digits that ship with scikit-learn it reaches
accuracy 0.9639 after 6 epochs; another CPU may round otherwise and be a few rows off.

python examples/reference.py
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import nn

from gradfleet import Model


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    rows = torch.from_numpy((pixels / 16).astype("float32").reshape(-1, 1, 8, 8))
    classes = torch.from_numpy(digits)
    torch.manual_seed(0)
    model = Model(network(), device="cpu").compile("cross_entropy", optimizer="adamw", learning_rate=3e-3)
    model.fit((rows[:1437], classes[:1437]), epochs=6, batch_size=32, seed=0, progress=False)
    print(f"accuracy {model.evaluate((rows[1437:], classes[1437:]))['accuracy']:.4f}")


if __name__ == "__main__":
    main()
