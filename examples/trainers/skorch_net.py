"""A skorch net, searched: a callback reports each epoch. Needs `pip install skorch`.

python examples/trainers/skorch_net.py
"""

from __future__ import annotations

import torch
from digits import digits, network
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EpochScoring
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from gradfleet import AutoModel, Float, Int, Objective


class Report(Callback):
    """Hands skorch's history to the search; the trial ends there when it must."""

    def __init__(self, report) -> None:
        self.report = report

    def on_epoch_end(self, net, **_: object) -> None:
        last = net.history[-1]
        self.report({name: last[name] for name in ("train_loss", "valid_loss", "val_accuracy")})


def train(config, report):
    rows, classes, held_out, answers = digits()
    net = NeuralNetClassifier(
        network(config["width"]),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=config["learning_rate"],
        batch_size=32,
        max_epochs=6,
        train_split=predefined_split(Dataset(held_out, answers)),
        callbacks=[
            ("accuracy", EpochScoring("accuracy", name="val_accuracy", lower_is_better=False)),
            ("report", Report(report)),
        ],
        callbacks__valid_acc=None,
        callbacks__print_log=None,
    )
    net.fit(rows, classes)


def main() -> None:
    space = {"width": Int(8, 128, log=True), "learning_rate": Float(1e-4, 1e-1, log=True)}
    model = AutoModel.from_function(train, space, Objective("val_accuracy", "max"))
    study = model.fit(trials=6, epochs=6, cluster="inline")
    print(f"best: trial {study.best.number}, accuracy {study.best.value:.4f}, {dict(study.best.config)}")


if __name__ == "__main__":
    main()
