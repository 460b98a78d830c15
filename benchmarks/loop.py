"""What the training loop costs beside one written by hand, with the same optimizer on both sides.

    python benchmarks/loop.py [--rounds 9] [--case "small net"] [--batch-size 32]

One thread; the contestants take turns in every round, and each ratio is the median over rounds of the time against
the hand-written loop in that same round, so that what else the machine does falls on all alike. The time is the
process's own CPU time, which neighbours on the machine cannot take away. Ours also computes the training accuracy.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Pair = tuple[torch.Tensor, torch.Tensor]
Epoch = Callable[[], object]


class PairDataset(Dataset[Pair]):
    """Not a TensorDataset: its DataLoader has to be used as it is."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, row: int) -> Pair:
        return self.inputs[row], self.targets[row]


class Listener(Callback):
    """Listens to the events that every batch fires, and does nothing."""

    def on_batch_start(self, context: Context) -> None: ...

    def on_batch_end(self, context: Context) -> None: ...


@dataclass(frozen=True)
class Case:
    """A network and its data."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int
    rows: int

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        return self.make()

    def data(self) -> Pair:
        torch.manual_seed(1)
        return torch.randn(self.rows, *self.shape), torch.randint(self.classes, (self.rows,))


def small_net() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def cnn() -> nn.Module:
    widths = [1, 8, 16, 16, 32]
    layers: list[nn.Module] = []
    for number, (entering, leaving) in enumerate(itertools.pairwise(widths)):
        layers += [nn.Conv2d(entering, leaving, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if number % 2 else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


CASES = (Case("small net", small_net, (20,), 2, 12_800), Case("CNN 28x28", cnn, (1, 28, 28), 10, 1_024))


def by_hand(network: nn.Module, loader: DataLoader[Pair]) -> Epoch:
    """The loop that everybody writes."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    criterion = nn.CrossEntropyLoss()

    def epoch() -> None:
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(network(inputs), targets)
            loss.backward()
            optimizer.step()

    return epoch


def by_model(network: nn.Module, data: object, batch_size: int, callbacks: tuple[Callback, ...] = ()) -> Epoch:
    model = Model(network, device="cpu").compile("cross_entropy", optimizer="adamw", learning_rate=1e-3)
    records: Iterator[object] = model.epochs(data, epochs=10**6, batch_size=batch_size, callbacks=callbacks)
    return lambda: next(records)


def contestants(case: Case, batch_size: int) -> dict[str, tuple[str, Epoch]]:
    """Each with the one that it is measured against."""
    inputs, targets = case.data()

    def loader(dataset: Dataset[Any]) -> DataLoader[Pair]:
        return DataLoader(dataset, batch_size=batch_size, shuffle=True)

    tensors = TensorDataset(inputs, targets)
    pairs = PairDataset(inputs, targets)
    deaf = tuple(Callback() for _ in range(8))
    return {
        "by hand, TensorDataset": ("", by_hand(case.network(), loader(tensors))),
        "by hand, own Dataset": ("", by_hand(case.network(), loader(pairs))),
        "DataLoader, TensorDataset": ("by hand, TensorDataset", by_model(case.network(), loader(tensors), batch_size)),
        "DataLoader, own Dataset": ("by hand, own Dataset", by_model(case.network(), loader(pairs), batch_size)),
        "tensors": ("by hand, TensorDataset", by_model(case.network(), (inputs, targets), batch_size)),
        "tensors, 8 deaf callbacks": ("tensors", by_model(case.network(), (inputs, targets), batch_size, deaf)),
        "tensors, 1 listening": ("tensors", by_model(case.network(), (inputs, targets), batch_size, (Listener(),))),
    }


def measure(case: Case, batch_size: int, rounds: int) -> None:
    """Print a line for each contestant: its ratio and the microseconds of a step."""
    found = contestants(case, batch_size)
    times: dict[str, list[float]] = {name: [] for name in found}
    for _, epoch in found.values():
        epoch()
    for _ in range(rounds):
        for name, (_, epoch) in found.items():
            started = time.process_time()
            epoch()
            times[name].append(time.process_time() - started)
    steps = case.rows / batch_size
    for name, (against, _) in found.items():
        step = f"{statistics.median(times[name]) / steps * 1e6:8.0f} us"
        ratio = [mine / other for mine, other in zip(times[name], times.get(against, []), strict=False)]
        shown = f"x{statistics.median(ratio):.3f} of {against}" if ratio else ""
        print(f"{case.name:10} {batch_size:4}  {name:26} {step}  {shown}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--case", choices=[case.name for case in CASES], help="this one alone")
    parser.add_argument("--batch-size", type=int, help="this one alone, instead of 32 and 256")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for case in CASES:
        for batch_size in [chosen.batch_size] if chosen.batch_size else [32, 256]:
            if chosen.case in (None, case.name):
                measure(case, batch_size, chosen.rounds)


if __name__ == "__main__":
    main()
