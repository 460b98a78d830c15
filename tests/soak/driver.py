"""A sweep of small Models as a user's script: python driver.py STORE NAME TRIALS PAUSE CLUSTER LOG.

Every network that is built adds its process and its dropout, which no two trials share, to the file LOG.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy
from torch import nn

from gradfleet import AutoModel, Float, Objective, Tuner
from gradfleet.training.callbacks.callback import Callback

store, name, trials, pause, cluster, log = sys.argv[1:]


def network(input_shape: tuple[int, ...], num_outputs: int, *, dropout: float = 0.25) -> nn.Module:
    with open(log, "a") as file:
        file.write(f"{os.getpid()} {dropout!r}\n")
    return nn.Sequential(nn.Linear(*input_shape, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, num_outputs))


class Slow(Callback):
    def on_epoch_end(self, context: Any) -> None:
        time.sleep(float(pause))


noise = numpy.random.default_rng(0)
inputs = noise.normal(size=(240, 4)).astype("float32")
labels = (inputs[:, 0] * inputs[:, 1] > 0).astype("int64")

tuner = Tuner()
tuner.architecture("mlp", network, dropout=Float(0.0, 0.5, default=0.25))
tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
model = AutoModel(tuner, objective=Objective("val_loss", "min")).compile(callbacks=[Slow])
study = model.fit(
    (inputs, labels),
    trials=int(trials),
    epochs=4,
    sampler="random",
    scheduler="none",
    store=store,
    name=name,
    resume=True,
    cluster=None if cluster == "ray" else cluster,
)
