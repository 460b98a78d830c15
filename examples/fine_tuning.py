"""Fine-tuning: a small network learns the digits 0 to 4, then its knowledge serves for 5 to 9, of which it sees few.

python examples/fine_tuning.py
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import nn

from gradfleet import Model
from gradfleet.training.fine_tuning import fine_tune


def digits(lowest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The images of five digits, which are classes 0 to 4."""
    pixels, targets = load_digits(return_X_y=True)
    chosen = (targets >= lowest) & (targets < lowest + 5)
    images = torch.tensor(pixels[chosen] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    return images, torch.tensor(targets[chosen] - lowest)


def train() -> tuple[float, float]:
    """The accuracies on the digits 0 to 4, then on 5 to 9, on images that were held out."""
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Flatten()
    )
    images, targets = digits(0)
    first = Model(nn.Sequential(body, nn.Linear(32 * 36, 5))).compile(learning_rate=3e-3, schedule="one_cycle")
    history = first.fit((images[:700], targets[:700]), (images[700:], targets[700:]), epochs=5)

    images, targets = digits(5)
    second = Model(nn.Sequential(body, nn.Linear(32 * 36, 5))).compile(learning_rate=3e-3)
    tuned = fine_tune(second, (images[:200], targets[:200]), (images[200:], targets[200:]), head_epochs=3, epochs=5)
    return history[-1]["val_accuracy"], tuned[-1]["val_accuracy"]


if __name__ == "__main__":
    before, after = train()
    print(f"Digits 0 to 4: {before:.3f} of the held-out images are right.")
    print(f"Digits 5 to 9, fine-tuned on 200 images: {after:.3f}.")
