"""Searches whose every result is known beforehand: learning curves and accuracies in tables, nothing is trained.

The files lie in the folder that the environment variable GRADFLEET_DATA names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy
import pandas

from gradfleet.search.space import Choice, Entry, Float, Int, SearchSpace, When
from gradfleet.search.suggester import Config

CURVES = SearchSpace(
    (
        Entry("batch_size", Int(16, 512, log=True)),
        Entry("learning_rate", Float(1e-4, 0.1, log=True)),
        Entry("momentum", Float(0.1, 0.99)),
        Entry("weight_decay", Float(1e-5, 0.1)),
        Entry("num_layers", Int(1, 5)),
        Entry("max_units", Int(64, 1024, log=True)),
        Entry("max_dropout", Float(0.0, 1.0)),
    )
)
GRID = SearchSpace(
    (
        Entry("kernel", Choice("linear", "poly", "rbf")),
        Entry("log2_C", Int(-5, 6)),
        Entry("gamma", Float(1e-4, 1e3, log=True), (When("kernel", ("rbf",)),)),
        Entry("degree", Int(2, 10), (When("kernel", ("poly",)),)),
    )
)


@dataclass(frozen=True)
class Table:
    """One data set: what every tabulated configuration reaches.

    Attributes:
        space: what is searched.
        places: the table's configurations, one a row, scaled so that nearness means something.
        curves: accuracy after each epoch, one configuration a row.
        whole: whether the table has every configuration of the space, as a grid has, and not a sample of them.
    """

    name: str
    space: SearchSpace
    places: numpy.ndarray = field(repr=False)
    curves: numpy.ndarray = field(repr=False)
    whole: bool

    @property
    def epochs(self) -> int:
        return int(self.curves.shape[1])

    @cached_property
    def best(self) -> float:
        """The highest accuracy of any epoch."""
        return float(self.curves.max())

    @cached_property
    def worst(self) -> float:
        """The lowest accuracy after full training."""
        return float(self.curves[:, -1].min())

    def regret(self, accuracy: float) -> float:
        """How far an accuracy is from the best: 0 is the best, 1 the worst after full training."""
        return (self.best - accuracy) / (self.best - self.worst)

    def random_regret(self, trials: int) -> float:
        """The expected regret by final accuracy of so many different configurations of the table, drawn evenly."""
        final = numpy.sort(self.curves[:, -1])
        at_most = numpy.ones(len(final))  # the probability that all drawn are among the first k + 1
        for drawn in range(trials):
            at_most *= numpy.maximum(numpy.arange(1, len(final) + 1) - drawn, 0) / (len(final) - drawn)
        expected = numpy.diff(at_most, prepend=0.0) @ final
        return float((final[-1] - expected) / (final[-1] - final[0]))


class Draws:
    """One search's draws from a table: a configuration stands for the nearest one of the table.

    Where the table is a sample, for the nearest one that this search has not had, unless `repeats`: two configurations
    never train alike there, and random search draws without repeats, as the figures of the data do.
    """

    def __init__(self, table: Table, *, repeats: bool = False) -> None:
        self._table = table
        self._left = numpy.ones(len(table.places), dtype=bool)
        self._repeats = repeats or table.whole

    def curve(self, config: Config) -> numpy.ndarray:
        """The accuracy after each epoch."""
        distances = ((self._table.places - _place(self._table.space, config)) ** 2).sum(axis=1)
        if not self._repeats and self._left.any():
            distances = numpy.where(self._left, distances, numpy.inf)
        row = distances.argmin()
        self._left[row] = False
        return numpy.asarray(self._table.curves[row])


def tables() -> list[Table]:
    """Every data set of both files.

    Raises:
        SystemExit: GRADFLEET_DATA does not name their folder.
    """
    folder = os.environ.get("GRADFLEET_DATA")
    if folder is None:
        raise SystemExit("GRADFLEET_DATA has to name the folder of hpo_lcbench_dev.npz and hpo_svm_grid_dev.csv.gz.")
    return [*_learning_curves(Path(folder)), *_svm_grid(Path(folder))]


def _learning_curves(folder: Path) -> Iterator[Table]:
    with numpy.load(folder / "hpo_lcbench_dev.npz") as file:
        columns = {name: file[f"hp_{name}"] for name in CURVES.names}
        configs = [{name: _plain(column[row]) for name, column in columns.items()} for row in range(1000)]
        places = numpy.array([_place(CURVES, config) for config in configs])
        accuracy = file["val_accuracy_x100"] / 10_000
        for row, instance in enumerate(file["instances"]):
            yield Table(f"curves-{instance}", CURVES, places, accuracy[row], whole=False)


def _svm_grid(folder: Path) -> Iterator[Table]:
    frame = pandas.read_csv(folder / "hpo_svm_grid_dev.csv.gz")
    for name, rows in frame.groupby("dataset"):
        configs = rows[list(GRID.names)].to_dict("records")
        places = numpy.array(
            [_place(GRID, {key: each[key] for key in each if each[key] == each[key]}) for each in configs]
        )
        yield Table(f"svm-{name}", GRID, places, rows["accuracy"].to_numpy()[:, None], whole=True)


def _place(space: SearchSpace, config: Config) -> numpy.ndarray:
    return numpy.concatenate([_coordinates(entry, config) for entry in space.entries])


def _coordinates(entry: Entry, config: Config) -> list[float]:
    """Where a value lies between its bounds, 0 to 1; far apart for different choices; -1 out of its branch."""
    dimension = entry.dimension
    if isinstance(dimension, Choice):
        return [10.0 * (config[entry.name] == choice) for choice in dimension.choices]
    if entry.name not in config:
        return [-1.0]
    value = float(config[entry.name] or 0)
    if dimension.log:
        return [float(numpy.log(value / dimension.low) / numpy.log(dimension.high / dimension.low))]
    return [(value - dimension.low) / (dimension.high - dimension.low)]


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)
