"""A loop of one's own, searched: it reports after each epoch, and goes on from its checkpoint after an interruption.

python examples/trainers/plain_pytorch.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from digits import network, tensors
from torch.nn.functional import cross_entropy

from gradfleet import AutoModel, Float, Int, Objective


def train(config, report):
    rows, classes, held_out, answers = tensors()
    model = network(config["width"])
    optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    before = report.resume()  # a folder that this trial reported earlier; None for a start
    if before is not None:
        state = torch.load(before / "state.pt")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    while True:  # `report` raises when the trial has had its epochs, or is stopped for others that are better
        for batch in torch.randperm(len(rows)).split(32):
            optimizer.zero_grad()
            cross_entropy(model(rows[batch]), classes[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(held_out).argmax(1) == answers).float().mean().item()
        with tempfile.TemporaryDirectory() as folder:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, Path(folder, "state.pt"))
            report({"val_accuracy": accuracy}, checkpoint=folder)


def main() -> None:
    space = {"width": Int(8, 128, log=True), "learning_rate": Float(1e-4, 1e-1, log=True)}
    model = AutoModel.from_function(train, space, Objective("val_accuracy", "max"))
    study = model.fit(trials=6, epochs=6, cluster="inline")
    print(f"best: trial {study.best.number}, accuracy {study.best.value:.4f}, {dict(study.best.config)}")


if __name__ == "__main__":
    main()
