"""A search over images as somebody writes it by hand, with the networks that the preset has too."""

from __future__ import annotations

import time

import numpy as np
import optuna
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

from autotasks.vision_networks import cnn, resnet
from benchmarks.cells.by_hand import searched

Pair = tuple[np.ndarray, np.ndarray]


def searched_by_hand(train: Pair, test: np.ndarray, budget: float) -> np.ndarray:
    """Labels of the test images by the network that validated best within `budget` seconds.

    Args:
        train: uint8 images (rows, channels, height, width) and their labels.
    """
    ends = time.perf_counter() + budget
    labels, numbers = np.unique(train[1], return_inverse=True)
    network = searched(_Images(train[0], numbers, len(labels)), ends)
    return labels[_outputs(network, torch.from_numpy(test)).argmax(1).numpy()]


class _Images:
    def __init__(self, images: np.ndarray, numbers: np.ndarray, num_outputs: int) -> None:
        parts = train_test_split(images, numbers, test_size=0.2, stratify=numbers, random_state=0)
        self._x, self._held_x, self._y, self._held_y = (torch.from_numpy(one) for one in parts)
        self._num_outputs = num_outputs

    def network(self, trial: optuna.Trial) -> nn.Module:
        build = {"cnn": cnn, "resnet": resnet}[trial.suggest_categorical("architecture", ["cnn", "resnet"])]
        channels = trial.suggest_int("channels", 8, 64, log=True)
        dropout = trial.suggest_float("dropout", 0.0, 0.5)
        return build(tuple(self._x.shape[1:]), self._num_outputs, channels=channels, dropout=dropout)

    def train(self, network: nn.Module, optimizer: torch.optim.Optimizer, *, ends: float) -> None:
        network.train()
        for rows in torch.randperm(len(self._x)).split(64):
            if len(rows) > 1:  # batch norm has nothing to say of a single row
                images = self._x[rows].float() / 255
                flipped = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, images.flip(-1), images)
                functional.cross_entropy(network(flipped), self._y[rows]).backward()
                optimizer.step()
                optimizer.zero_grad()
            if time.perf_counter() > ends:
                return

    def accuracy(self, network: nn.Module) -> float:
        return float((_outputs(network, self._held_x).argmax(1) == self._held_y).float().mean())


def _outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(rows) for rows in x.split(256)])
