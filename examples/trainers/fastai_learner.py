"""A fastai Learner, searched: a callback reports each epoch. Needs `pip install fastai`.

python examples/trainers/fastai_learner.py
"""

from __future__ import annotations

from digits import network, tensors
from fastai.basics import Callback, DataLoaders, Learner
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet import AutoModel, Float, Int, Objective


def val_accuracy(outputs, classes):
    return (outputs.argmax(1) == classes).float().mean()


class Report(Callback):
    """Hands what was recorded to the search; the trial ends there when it must."""

    order = 60  # after the Recorder

    def __init__(self, report) -> None:
        self.report = report

    def after_epoch(self) -> None:
        _, train_loss, val_loss, accuracy, _ = self.recorder.log
        self.report({"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": accuracy}, epoch=self.epoch + 1)


def train(config, report):
    rows, classes, held_out, answers = tensors()
    data = DataLoaders(
        DataLoader(TensorDataset(rows, classes), batch_size=32, shuffle=True),
        DataLoader(TensorDataset(held_out, answers), batch_size=300),
    )
    parts = {"metrics": val_accuracy, "cbs": [Report(report)]}
    learner = Learner(data, network(config["width"]), nn.CrossEntropyLoss(), **parts)
    with learner.no_logging():
        learner.fit(6, lr=config["learning_rate"])


def main() -> None:
    space = {"width": Int(8, 128, log=True), "learning_rate": Float(1e-4, 1e-1, log=True)}
    model = AutoModel.from_function(train, space, Objective("val_accuracy", "max"))
    study = model.fit(trials=6, epochs=6, cluster="inline")
    print(f"best: trial {study.best.number}, accuracy {study.best.value:.4f}, {dict(study.best.config)}")


if __name__ == "__main__":
    main()
