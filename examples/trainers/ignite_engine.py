"""An Ignite engine, searched: a handler reports each epoch. Needs `pip install pytorch-ignite`.

python examples/trainers/ignite_engine.py
"""

from __future__ import annotations

import logging

import torch
from digits import network, tensors
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet import AutoModel, Float, Int, Objective


def train(config, report):
    rows, classes, held_out, answers = tensors()
    model, loss = network(config["width"]), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    trainer = create_supervised_trainer(model, optimizer, loss)
    trainer.logger.setLevel(logging.CRITICAL)  # a trial that is stopped is no error
    evaluator = create_supervised_evaluator(model, metrics={"val_accuracy": Accuracy(), "val_loss": Loss(loss)})
    validation = DataLoader(TensorDataset(held_out, answers), batch_size=300)

    @trainer.on(Events.EPOCH_COMPLETED)
    def tell(engine) -> None:
        report(evaluator.run(validation).metrics, epoch=engine.state.epoch)

    trainer.run(DataLoader(TensorDataset(rows, classes), batch_size=32, shuffle=True), max_epochs=6)


def main() -> None:
    space = {"width": Int(8, 128, log=True), "learning_rate": Float(1e-4, 1e-1, log=True)}
    model = AutoModel.from_function(train, space, Objective("val_accuracy", "max"))
    study = model.fit(trials=6, epochs=6, cluster="inline")
    print(f"best: trial {study.best.number}, accuracy {study.best.value:.4f}, {dict(study.best.config)}")


if __name__ == "__main__":
    main()
