"""A search as somebody writes it by hand: plain Optuna, a plain loop, the networks that the preset has too."""

from __future__ import annotations

import copy
import time

import numpy as np
import optuna
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

from autotasks.vision_networks import cnn, resnet

_EPOCHS = 15

Pair = tuple[np.ndarray, np.ndarray]


def searched_by_hand(train: Pair, test: np.ndarray, budget: float) -> np.ndarray:
    """Labels of the test images by the network that validated best within `budget` seconds.

    Args:
        train: uint8 images (rows, channels, height, width) and their labels.
    """
    ends = time.perf_counter() + budget
    labels, numbers = np.unique(train[1], return_inverse=True)
    x, held_x, y, held_y = (
        torch.from_numpy(one)
        for one in train_test_split(train[0], numbers, test_size=0.2, stratify=numbers, random_state=0)
    )
    best: tuple[float, nn.Module] | None = None

    def objective(trial: optuna.Trial) -> float:
        nonlocal best
        network = _network(trial, tuple(x.shape[1:]), len(labels))
        rate = trial.suggest_float("rate", 3e-4, 1e-2, log=True)
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
        found = 0.0
        for epoch in range(_EPOCHS):
            _train(network, optimizer, x, y, ends=ends)
            found = max(found, accuracy := float((_outputs(network, held_x).argmax(1) == held_y).float().mean()))
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
    return labels[_outputs(best[1], torch.from_numpy(test)).argmax(1).numpy()]


def _network(trial: optuna.Trial, shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    build = {"cnn": cnn, "resnet": resnet}[trial.suggest_categorical("architecture", ["cnn", "resnet"])]
    channels = trial.suggest_int("channels", 8, 64, log=True)
    return build(shape, num_outputs, channels=channels, dropout=trial.suggest_float("dropout", 0.0, 0.5))


def _train(
    network: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, *, ends: float
) -> None:
    network.train()
    for rows in torch.randperm(len(x)).split(64):
        if len(rows) > 1:  # batch norm has nothing to say of a single row
            images = x[rows].float() / 255
            flipped = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, images.flip(-1), images)
            functional.cross_entropy(network(flipped), y[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
        if time.perf_counter() > ends:
            return


def _outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(rows) for rows in x.split(256)])
