"""The search that somebody writes by hand for any kind of data: plain Optuna around a plain loop."""

from __future__ import annotations

import copy
import time
from typing import Protocol

import optuna
import torch
from torch import nn

_EPOCHS = 15


class Task(Protocol):
    """What depends on the kind of data."""

    def network(self, trial: optuna.Trial) -> nn.Module:
        """A network as the trial suggests it."""
        ...

    def train(self, network: nn.Module, optimizer: torch.optim.Optimizer, *, ends: float) -> None:
        """One epoch, or less of it where the time is over."""
        ...

    def accuracy(self, network: nn.Module) -> float:
        """On the rows that are held out of training."""
        ...


def searched(task: Task, ends: float) -> nn.Module:
    """The network that validated best by `ends`, a time of `time.perf_counter`."""
    best: tuple[float, nn.Module] | None = None

    def objective(trial: optuna.Trial) -> float:
        nonlocal best
        network = task.network(trial)
        rate = trial.suggest_float("rate", 3e-4, 1e-2, log=True)
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
        found = 0.0
        for epoch in range(_EPOCHS):
            task.train(network, optimizer, ends=ends)
            found = max(found, accuracy := task.accuracy(network))
            if best is None or accuracy > best[0]:
                best = accuracy, copy.deepcopy(network)
            trial.report(accuracy, epoch)
            if time.perf_counter() > ends or trial.should_prune():
                break
        return found

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, timeout=max(1.0, ends - time.perf_counter()))
    assert best is not None
    return best[1]
