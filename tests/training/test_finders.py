from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet.errors import SettingError
from gradfleet.training.finders import LearningRates, find_batch_size, find_learning_rate
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def digits() -> Pair:
    inputs, targets = load_digits(return_X_y=True)
    return torch.tensor(inputs / 16, dtype=torch.float32), torch.tensor(targets)


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *layers)


@pytest.mark.row("TL10")
@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_the_suggested_rate_is_within_a_decade_of_the_best_of_a_grid(
    make: Callable[[], nn.Module], optimizer: str, digits: Pair
) -> None:
    train, held_out = tuple(part[:1400] for part in digits), tuple(part[1400:] for part in digits)

    def loss_at(rate: float) -> float:
        model = Model(make()).compile(optimizer=optimizer, learning_rate=rate, metrics=[])
        loss = model.fit(train, held_out, epochs=2, batch_size=64)[-1]["val_loss"]
        return loss if loss == loss else float("inf")

    good = min((10.0**power for power in range(-5, 2)), key=loss_at)
    found = find_learning_rate(Model(make()).compile(optimizer=optimizer), train, batch_size=64)

    assert good / 10 <= found.suggestion <= good * 10
    assert len(found.rates) == len(found.losses) <= 100


class Drawing(nn.Module):
    """Draws from every generator while it computes, and keeps a buffer that no checkpoint has."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
        self.register_buffer("calls", torch.zeros(()), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        noise = random.random() + float(np.random.rand())
        outputs: torch.Tensor = self.layers(inputs)
        return outputs + 0.01 * noise


def everything(model: Model, loader: DataLoader[Any]) -> dict[str, Any]:
    network = model.network
    assert loader.generator is not None
    return {
        "weights": [value.clone() for value in (*network.parameters(), *network.buffers())],
        "gradients": [None if one.grad is None else one.grad.clone() for one in network.parameters()],
        "trained": [one.requires_grad for one in network.parameters()],
        "modes": [module.training for module in network.modules()],
        "optimizer": copy.deepcopy(model.optimizers["network"].state_dict()),
        "python": random.getstate(),
        "numpy": [part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state()],
        "torch": torch.get_rng_state(),
        "loader": loader.generator.get_state(),
        "history": list(model.history),
        "model": (model.epoch, model.stop_reason, model.batch_size, model.settings, model.is_settled),
    }


def same(one: Any, another: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, another)
    if isinstance(one, dict):
        return one.keys() == another.keys() and all(same(one[key], another[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(another) and all(map(same, one, another))
    return bool(one == another)


@pytest.mark.row("TL10")
@pytest.mark.parametrize("find", [find_learning_rate, find_batch_size])
@pytest.mark.parametrize("epochs", [0, 2])
def test_a_finder_leaves_weights_optimizer_and_every_generator_as_they_were(find: Any, epochs: int, pair: Pair) -> None:
    loader = DataLoader(TensorDataset(*pair), 16, shuffle=True, generator=torch.Generator().manual_seed(3))
    model = Model(Drawing()).compile(learning_rate=0.01, schedule="one_cycle", metrics=["accuracy"])
    if epochs:
        model.fit(loader, epochs=epochs)
    model.network.layers[1].eval()  # type: ignore[union-attr, index]
    next(model.network.parameters()).requires_grad_(False)
    before = everything(model, loader)

    find(model, loader if find is find_learning_rate else loader.dataset)

    after = everything(model, loader)
    assert [key for key in before if not same(before[key], after[key])] == []


@pytest.mark.row("TL10")
def test_a_finder_that_fails_leaves_everything_as_it_was_too(pair: Pair) -> None:
    class Failing(Model):
        def backward(self, loss: torch.Tensor) -> None:
            super().backward(loss)
            if self.network.get_buffer("calls") > 3:
                raise RuntimeError("no more")

    loader = DataLoader(TensorDataset(*pair), 16, shuffle=True, generator=torch.Generator().manual_seed(3))
    model = Failing(Drawing()).compile()
    before = everything(model, loader)

    with pytest.raises(RuntimeError, match="no more"):
        find_learning_rate(model, loader)

    after = everything(model, loader)
    assert [key for key in before if not same(before[key], after[key])] == []


@pytest.mark.row("TL10")
def test_training_after_a_finder_is_training_without_one_bit_for_bit(pair: Pair, network: Make) -> None:
    straight, other = (Model(network(dropout=0.5)).compile(schedule="one_cycle") for _ in range(2))
    for model in (straight, other):
        model.fit(pair, epochs=1)
    find_learning_rate(other, pair)
    find_batch_size(other, pair)
    for model in (straight, other):
        model.fit(pair, epochs=2)

    for one, another in zip(straight.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(one, another)


@pytest.mark.row("TL10")
def test_the_search_stops_when_the_loss_diverges(digits: Pair) -> None:
    inputs, targets = digits
    model = Model(nn.Linear(64, 1)).compile("mse", optimizer="sgd")

    found = find_learning_rate(model, (inputs, targets.float()), highest=1e6, steps=200)

    assert found.diverged
    assert len(found.rates) < 200
    assert found.losses[-1] > 4 * min(found.losses) or found.losses[-1] != found.losses[-1]


def test_a_step_without_a_loss_is_refused(pair: Pair, network: Make) -> None:
    class Silent(Model):
        def training_step(self, batch: Any) -> None:
            return None

    with pytest.raises(SettingError, match="needs training_step to return its loss"):
        find_learning_rate(Silent(network()).compile(), pair)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lowest": 0.0}, "rise from above 0, got lowest=0.0"),
        ({"lowest": 1.0, "highest": 0.1}, "got lowest=1.0 and highest=0.1"),
        ({"steps": 3}, "At least 10 steps are needed to see a slope, got 3"),
    ],
)
def test_rates_that_cannot_be_tried_are_refused(
    arguments: dict[str, Any], message: str, pair: Pair, network: Make
) -> None:
    with pytest.raises(SettingError, match=message):
        find_learning_rate(Model(network()).compile(), pair, **arguments)
    with pytest.raises(SettingError, match="not compiled"):
        find_learning_rate(Model(network()), pair)


def test_the_rates_and_losses_are_a_frame() -> None:
    frame = LearningRates((0.1, 1.0), (2.0, 1.0), 0.1, diverged=False).to_frame()

    assert frame["loss"].tolist() == [2.0, 1.0]
    assert list(frame.columns) == ["learning_rate", "loss"]


def test_a_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = LearningRates((0.1, 1.0), (2.0, 1.0), 0.1, diverged=False)

    assert found.plot(tmp_path / "rates.png") == tmp_path / "rates.png"
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_without_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(SettingError, match=r'needs matplotlib: pip install "gradfleet\[plots\]"'):
        LearningRates((0.1,), (2.0,), 0.1, diverged=False).plot(tmp_path / "rates.png")


class Big(nn.Module):
    """Has room for so many rows, and raises as a device does when there are more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.room = room

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        outputs: torch.Tensor = self.layer(inputs)
        return outputs


@pytest.mark.row("TL10")
def test_the_batch_size_finder_survives_running_out_of_memory(pair: Pair) -> None:
    model = Model(Big(room=20)).compile()
    before = [one.clone() for one in model.network.parameters()]

    found = find_batch_size(model, pair)

    assert found.suggestion == 16
    assert found.tried == ((2, True), (4, True), (8, True), (16, True), (32, False))
    for one, was in zip(model.network.parameters(), before, strict=True):
        assert torch.equal(one, was)
    model.fit(pair, epochs=1, batch_size=found.suggestion)


def test_the_batch_size_finder_ends_where_all_rows_are_one_batch(pair: Pair) -> None:
    assert find_batch_size(Model(Big(room=999)).compile(), pair).suggestion == 128  # the 70 rows at once
    assert find_batch_size(Model(Big(room=999)).compile(), pair, largest=32).suggestion == 32


def test_a_batch_size_that_cannot_be_found_is_said(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match="Not even a batch of 4 fits into memory"):
        find_batch_size(Model(Big(room=3)).compile(), pair, smallest=4)
    with pytest.raises(SettingError, match="A DataLoader has a batch size of its own"):
        find_batch_size(Model(network()).compile(), DataLoader(TensorDataset(*pair)))
    with pytest.raises(SettingError, match="got smallest=0"):
        find_batch_size(Model(network()).compile(), pair, smallest=0)
    with pytest.raises(SettingError, match="The loss does not fit"):
        find_batch_size(Model(network(1)).compile("mse"), (pair[0], torch.randn(70, 3)))
