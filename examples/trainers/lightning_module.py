"""A LightningModule, searched: a callback reports each epoch. Needs `pip install pytorch-lightning`.

python examples/trainers/lightning_module.py
"""

from __future__ import annotations

import logging

import pytorch_lightning as lightning
import torch
from digits import network, tensors
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from gradfleet import AutoModel, Float, Int, Objective


class Digits(lightning.LightningModule):
    def __init__(self, width: int, learning_rate: float) -> None:
        super().__init__()
        self.network = network(width)
        self.learning_rate = learning_rate

    def training_step(self, batch, _):
        rows, classes = batch
        return cross_entropy(self.network(rows), classes)

    def validation_step(self, batch, _) -> None:
        rows, classes = batch
        self.log("val_accuracy", (self.network(rows).argmax(1) == classes).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


class Report(lightning.Callback):
    """Hands what was logged to the search; the trial ends there when it must."""

    def __init__(self, report) -> None:
        self.report = report

    def on_train_epoch_end(self, trainer, module) -> None:
        self.report({name: float(value) for name, value in trainer.callback_metrics.items()})


def train(config, report):
    rows, classes, held_out, answers = tensors()
    trainer = lightning.Trainer(
        max_epochs=6,
        accelerator="cpu",
        callbacks=[Report(report)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(
        Digits(config["width"], config["learning_rate"]),
        DataLoader(TensorDataset(rows, classes), batch_size=32, shuffle=True),
        DataLoader(TensorDataset(held_out, answers), batch_size=300),
    )


def main() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    space = {"width": Int(8, 128, log=True), "learning_rate": Float(1e-4, 1e-1, log=True)}
    model = AutoModel.from_function(train, space, Objective("val_accuracy", "max"))
    study = model.fit(trials=6, epochs=6, cluster="inline")
    print(f"best: trial {study.best.number}, accuracy {study.best.value:.4f}, {dict(study.best.config)}")


if __name__ == "__main__":
    main()
