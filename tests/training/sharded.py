"""What test_sharding.py runs in two processes: trains with a strategy, saves, and goes on from what it saved."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import safetensors.torch
import torch
from torch import nn
from torch.distributed.tensor import DTensor

from gradfleet.training.callbacks import EMA, Callback, Checkpoint, EarlyStopping
from gradfleet.training.context import Context
from gradfleet.training.model import Model

INPUTS = torch.randn(71, 4, generator=torch.Generator().manual_seed(1))  # the last batch has one row
PAIR = INPUTS, (INPUTS[:, 0] > 0).long()


class LeaveOut(Callback):
    """The last process alone leaves out one batch."""

    def on_loss_end(self, context: Context) -> None:
        last = int(os.environ.get("RANK", "0")) == int(os.environ.get("WORLD_SIZE", "1")) - 1
        if last and context.batch_number == 2:
            context.skip_batch()


def make() -> nn.Module:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 256)) for _ in range(2)]
    return nn.Sequential(nn.Linear(4, 256), nn.LayerNorm(256), *blocks, nn.Linear(256, 2))


def compiled(strategy: str) -> Model:
    return Model(make()).compile(
        "cross_entropy", metrics=["accuracy", "f1"], learning_rate=3e-3, clip_norm=1.0, strategy=strategy
    )


def main(out: Path, strategy: str) -> None:
    torch.set_num_threads(1)
    rank = os.environ.get("RANK", "0")
    usual = {"batch_size": 10, "progress": False}

    straight = compiled(strategy)
    held = [one.to_local() if isinstance(one, DTensor) else one for one in straight.network.parameters()]
    callbacks = [Checkpoint(out / "kept"), EarlyStopping(patience=9), LeaveOut()]
    straight.fit(PAIR, PAIR, epochs=4, callbacks=callbacks, **usual)
    straight.save(out / "straight")

    half = compiled(strategy)
    for record in half.epochs(PAIR, PAIR, epochs=2, batch_size=10, callbacks=[EarlyStopping(patience=9), LeaveOut()]):
        half.save(out / f"after-{record.epoch}")
    if "RANK" in os.environ:
        torch.distributed.barrier()  # the first process is still writing what all read
    resumed = compiled(strategy)
    callbacks = [EarlyStopping(patience=9), LeaveOut()]
    resumed.fit(PAIR, PAIR, epochs=4, resume=out / "after-2", callbacks=callbacks, **usual)
    resumed.save(out / "resumed")

    plain = Model(make()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1, strategy=strategy)
    plain.fit(PAIR, epochs=1, **usual)
    plain.save(out / "plain")

    averaged = compiled(strategy)
    averaged.fit(PAIR, PAIR, epochs=2, callbacks=[EMA(0.9)], **usual)
    averaged.save(out / "averaged")

    found = {
        "history": [dict(record.metrics, train_seconds=0.0) for record in straight.history],
        "evaluation": dict(straight.evaluate(PAIR)),
        "held": sum(one.numel() for one in held),
    }
    (out / f"found-{rank}.json").write_text(json.dumps(found))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "weights.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
