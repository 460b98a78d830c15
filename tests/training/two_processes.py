"""What test_processes.py runs on a CPU, on a GPU and in two processes: prints nothing, writes its findings as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet.training.callbacks import Callback, Checkpoint, EarlyStopping, MixUp, Progress
from gradfleet.training.context import Context
from gradfleet.training.model import Model


class Span(torchmetrics.Metric):
    """A metric of its own, with state: the largest probability less the smallest."""

    def __init__(self) -> None:
        super().__init__()
        self.add_state("least", torch.tensor(1.0), dist_reduce_fx="min")
        self.add_state("most", torch.tensor(0.0), dist_reduce_fx="max")

    def update(self, probabilities: torch.Tensor, targets: torch.Tensor) -> None:
        self.least = torch.minimum(self.least, probabilities.min())
        self.most = torch.maximum(self.most, probabilities.max())

    def compute(self) -> torch.Tensor:
        return self.most - self.least


class StopInOne(Callback):
    """Only the last process asks for the end, in the middle of epoch 2."""

    def on_batch_end(self, context: Context) -> None:
        last = int(os.environ.get("RANK", "0")) == int(os.environ.get("WORLD_SIZE", "1")) - 1
        if last and (context.epoch, context.batch_number) == (2, 3):
            context.stop("one of us has had enough")


class Logging(Model):
    def training_step(self, batch: Any) -> Any:
        self.log("mean_input", batch[0].mean())
        return super().training_step(batch)


def make(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def gan_step(model: Model, batch: Any) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        loss = nn.functional.cross_entropy(model.networks[name](batch[0]) - model.networks[other](batch[0]), batch[1])
        model.backward(loss, name)
        model.step(name)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    inputs = torch.randn(71, 4, generator=torch.Generator().manual_seed(1))  # the last batch has one row
    pair = inputs, (inputs[:, 0] > 0).long()
    rank = int(os.environ.get("RANK", "0"))

    model = Logging(make(rank)).compile(
        "cross_entropy", metrics=["accuracy", "f1", "roc_auc", Span()], learning_rate=0.05, accumulate=2
    )
    loader = DataLoader(TensorDataset(*pair), batch_size=10, shuffle=True)
    stopping = EarlyStopping("val_accuracy", mode="max", patience=2)
    model.fit(loader, pair, epochs=30, batch_size=10, callbacks=[stopping, Progress(), Checkpoint(out / "kept")])

    stopped = Model(make()).compile("cross_entropy")
    stopped.fit(pair, epochs=5, batch_size=10, progress=False, callbacks=[StopInOne()])

    gan = Model({"a": make(), "b": make(1)}, training_step=gan_step).compile("cross_entropy", optimizer="sgd")
    gan.fit(pair, epochs=2, batch_size=10, progress=False)

    mixed = Model(make()).compile("cross_entropy", optimizer="sgd", accumulate=2)
    mixed.fit(pair, epochs=2, batch_size=10, progress=False, callbacks=[MixUp(1.0)])

    found = {
        "history": [dict(record.metrics, train_seconds=0.0) for record in model.history],
        "device": model.device.type,
        "reason": model.stop_reason,
        "evaluation": dict(model.evaluate(pair, batch_size=9)),
        "predictions": model.predict(pair[0]).tolist(),
        "stopped": [len(stopped.history), stopped.stop_reason],
        "gan": [one.detach().flatten().tolist() for net in gan.networks.values() for one in net.parameters()],
        "mixed": mixed.predict(pair[0]).flatten().tolist(),
    }
    (out / f"found-{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
