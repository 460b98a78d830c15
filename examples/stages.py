"""Training in stages: a quick start on small batches, then a careful end on all of the data.

The run keeps its place in a folder: end it at any time, start it again, and it goes on where it was.

    python examples/stages.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from gradfleet import Model
from gradfleet.training.history import History
from gradfleet.training.stages import Stage, run_stages


def train(folder: Path | None = None) -> History:
    """Two stages with their own data, optimizer and epochs."""
    torch.manual_seed(0)
    pixels, digits = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digits)
    held_out = inputs[1400:], targets[1400:]
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    quick = {"optimizer": "adamw", "learning_rate": 3e-3}
    careful = {"optimizer": "sgd", "learning_rate": 0.05, "schedule": "cosine"}
    stages = [
        Stage("quick", (inputs[:700], targets[:700]), held_out, epochs=3, settings=quick, batch_size=16),
        Stage("careful", (inputs[:1400], targets[:1400]), held_out, epochs=5, settings=careful, batch_size=64),
    ]
    return run_stages(Model(network), stages, folder=folder)


if __name__ == "__main__":
    for record in train(Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(f"epoch {record.epoch}: validation accuracy {record['val_accuracy']:.3f}")
