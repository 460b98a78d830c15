"""What the training loop costs beside one written by hand, and beside other trainers.

    python benchmarks/loop.py [--rounds 9] [--case "small net"] [--batch-size 32]

One thread; the contestants take turns in every round, and each ratio is the median over rounds of the time against
the hand-written loop in that same round, so that what else the machine does falls on all alike. The time is the
process's own CPU time, which neighbours on the machine cannot take away. Ours also computes the training accuracy.

Three tables: ours against the hand-written loop, with the same optimizer on both sides; others with that optimizer
and nothing beside training; and each as it comes, with its own optimizer where it has one and whatever it shows and
writes. Others are there when `make peers` has put them into build/peers. Last, the memory of 200 epochs.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

sys.path.append(str(Path(__file__).parent.parent / "build" / "peers"))

from peers.trainers import PEERS, RATE, Epoch, by_hand, timed

from gradfleet.training.callbacks.callback import Callback
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Pair = tuple[torch.Tensor, torch.Tensor]
Contestants = dict[str, tuple[str, Epoch]]
"""Each with the one that it is measured against."""

HAND, HAND_OWN = "by hand, TensorDataset", "by hand, own Dataset"


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


def by_model(network: nn.Module, data: object, batch_size: int, callbacks: tuple[Callback, ...] = ()) -> Epoch:
    model = Model(network, device="cpu").compile("cross_entropy", learning_rate=RATE)
    records: Iterator[object] = model.epochs(data, epochs=10**6, batch_size=batch_size, callbacks=callbacks)
    return timed(lambda: next(records))


def ours(case: Case, batch_size: int) -> Contestants:
    inputs, targets = case.data()
    tensors, pairs = TensorDataset(inputs, targets), PairDataset(inputs, targets)

    def loader(dataset: Dataset[Any]) -> DataLoader[Pair]:
        return DataLoader(dataset, batch_size=batch_size, shuffle=True)

    def model(data: object, *callbacks: Callback) -> Epoch:
        return by_model(case.network(), data, batch_size, callbacks)

    idle = tuple(Callback() for _ in range(8))
    return {
        HAND: ("", by_hand(case.network(), tensors, batch_size, plain=True)),
        HAND_OWN: ("", by_hand(case.network(), pairs, batch_size, plain=True)),
        "DataLoader, TensorDataset": (HAND, model(loader(tensors))),
        "DataLoader, own Dataset": (HAND_OWN, model(loader(pairs))),
        "tensors": (HAND, model((inputs, targets))),
        "tensors, 8 idle callbacks": ("tensors", model((inputs, targets), *idle)),
        "tensors, 1 listening": ("tensors", model((inputs, targets), Listener())),
    }


def others(case: Case, batch_size: int, *, plain: bool) -> Contestants:
    """Ours among the trainers that are there; `plain` as `peers.trainers` has it."""
    pairs = PairDataset(*case.data())
    found: Contestants = {HAND_OWN: ("", by_hand(case.network(), pairs, batch_size, plain=plain))}
    loader = DataLoader(pairs, batch_size=batch_size, shuffle=True)
    found["gradfleet, DataLoader"] = HAND_OWN, by_model(case.network(), loader, batch_size)
    found["gradfleet, tensors"] = HAND_OWN, by_model(case.network(), case.data(), batch_size)
    for name, make in PEERS.items():
        try:
            found[name] = HAND_OWN, make(case.network(), pairs, batch_size, plain=plain)
        except ImportError as error:
            print(f"{name} is not here ({error}): make peers", file=sys.stderr)
    return found


def measure(case: Case, batch_size: int, rounds: int, found: Contestants) -> None:
    """Print a line for each contestant: its ratio and the microseconds of a step."""
    times: dict[str, list[float]] = {name: [] for name in found}
    with _quietly():
        for _, epoch in found.values():
            epoch()
        for _ in range(rounds):
            for name, (_, epoch) in found.items():
                times[name].append(epoch())
    steps = case.rows / batch_size
    for name, (against, _) in found.items():
        step = f"{statistics.median(times[name]) / steps * 1e6:8.0f} us"
        ratio = [mine / other for mine, other in zip(times[name], times.get(against, []), strict=False)]
        shown = f"x{statistics.median(ratio):.3f} of {against}" if ratio else ""
        print(f"{case.name:10} {batch_size:4}  {name:26} {step}  {shown}", flush=True)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What others show goes nowhere: drawing on this terminal would be measured too."""
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def memory(case: Case, *, epochs: int = 200) -> None:
    """Print what the process holds during one fit: Python's objects, and all of its memory."""
    epoch = by_model(case.network(), case.data(), 256)
    process = psutil.Process()
    tracemalloc.start()
    for number in range(1, epochs + 1):
        epoch()
        if number in (epochs // 10, epochs // 2, epochs):
            python, resident = tracemalloc.get_traced_memory()[0], process.memory_info().rss
            print(f"{case.name:10} epoch {number:4}  Python {python / 1024:8.0f} KiB  RSS {resident / 2**20:8.1f} MiB")
    tracemalloc.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--case", choices=[case.name for case in CASES], help="this one alone")
    parser.add_argument("--batch-size", type=int, help="this one alone, instead of 32 and 256")
    parser.add_argument("--table", choices=["ours", "plain", "defaults", "memory"], help="this one alone")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cells = [
        (case, size)
        for case in CASES
        for size in ([chosen.batch_size] if chosen.batch_size else [32, 256])
        if chosen.case in (None, case.name)
    ]
    tables: dict[str, tuple[str, Callable[[Case, int], Contestants]]] = {
        "ours": ("Against the loop by hand, the same optimizer on both sides", ours),
        "plain": ("Among others, the same optimizer for all", lambda *cell: others(*cell, plain=True)),
        "defaults": ("Each as it comes", lambda *cell: others(*cell, plain=False)),
    }
    for name, (title, contestants) in tables.items():
        if chosen.table in (None, name):
            print(title)
            for case, size in cells:
                measure(case, size, chosen.rounds, contestants(case, size))
    if chosen.table in (None, "memory"):
        print("The memory of one fit")
        for case in dict.fromkeys(case for case, _ in cells):
            memory(case)


if __name__ == "__main__":
    main()
