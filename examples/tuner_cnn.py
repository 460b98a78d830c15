"""Two networks by two optimizers: which is best for small pictures, and with which settings?

python examples/tuner_cnn.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from torch import nn

from gradfleet import AutoModel, Choice, Float, Objective, Tuner


def plain(input_shape, num_outputs, channels=16):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], channels, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * channels, num_outputs),
    )


def deep(input_shape, num_outputs, channels=16, *, batch_norm=True):
    def block(before, after):
        return [nn.Conv2d(before, after, 3, padding=1), *([nn.BatchNorm2d(after)] if batch_norm else []), nn.ReLU()]

    return nn.Sequential(
        *block(input_shape[0], channels),
        nn.MaxPool2d(2),
        *block(channels, 2 * channels),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * channels, num_outputs),
    )


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    pictures = (pixels / 16).astype("float32").reshape(-1, 1, 8, 8)

    tuner = Tuner()
    tuner.architecture("plain", plain, channels=Choice(8, 16, 32))
    tuner.architecture("deep", deep, channels=Choice(8, 16, 32), batch_norm=Choice(True, False))
    tuner.optimizer("adam", learning_rate=Float(1e-4, 1e-1, log=True))
    tuner.optimizer("sgd", learning_rate=Float(1e-3, 1.0, log=True), momentum=Float(0.0, 0.95))

    model = AutoModel(tuner, objective=Objective("val_accuracy", "max"))
    study = model.fit((pictures, digits), trials=12, epochs=4, cluster="inline")
    print(study.leaderboard(5)[["trial", "value", "architecture", "optimizer"]].to_string(index=False))
    print(f"best: {study.best.config['architecture']} with {study.best.config['optimizer']}, {study.best.value:.4f}")


if __name__ == "__main__":
    main()
