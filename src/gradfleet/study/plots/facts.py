"""What a plot is drawn from: a study's trials, records and space at one moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from gradfleet.errors import NoUsableTrialError, SettingError, unknown_name
from gradfleet.goal import Aim
from gradfleet.search.space import SearchSpace
from gradfleet.study.ranking import Ranking
from gradfleet.study.storage.rows import RecordRow, TrialRow

if TYPE_CHECKING:
    from gradfleet.search.dimensions import Dimension


MOST_CURVES = 300
"""More lines than these in one plot hide each other."""

ReadRecords = Callable[[Sequence[int]], list[RecordRow]]
"""Reads all records of some trials, by trial and epoch."""


@dataclass(frozen=True)
class PlotFacts:
    """A study as its plots see it.

    Attributes:
        board: its trials at one moment, and the best record of each.
        read: gives all records of some trials; they are read when curves are drawn, for there are very many.
        space: what is searched now.
        now: Unix time; where the bars of running trials end.
    """

    name: str
    board: Ranking
    read: ReadRecords = field(repr=False)
    space: SearchSpace
    now: float

    @property
    def objective(self) -> Aim:
        return self.board.objective

    @cached_property
    def trials(self) -> Sequence[TrialRow]:
        """All, by number."""
        return tuple(self.board.trials.values())

    @cached_property
    def ranking(self) -> list[tuple[TrialRow, RecordRow]]:
        """The trials that may be best with their best records, best first."""
        return [(self.board.trials[number], self.board.records[number]) for number in self.board.usable]

    @cached_property
    def curves(self) -> Mapping[int, list[RecordRow]]:
        """The records of trials that have any, in order of epoch; of very many trials the best ones and some others."""
        found: dict[int, list[RecordRow]] = {}
        for record in self.read(self._drawn):
            found.setdefault(record.number, []).append(record)
        return found

    @property
    def are_some(self) -> bool:
        """Whether `curves` are of some trials only."""
        return len(self._drawn) < len(self.trials)

    @cached_property
    def _drawn(self) -> Sequence[int]:
        numbers = list(self.board.trials)
        if len(numbers) <= MOST_CURVES:
            return numbers
        best = self.board.usable[: MOST_CURVES // 6]
        others = sorted(self.board.trials.keys() - set(best))
        step = len(others) / (MOST_CURVES - len(best))
        return sorted([*best, *(others[int(place * step)] for place in range(MOST_CURVES - len(best)))])

    @property
    def usable(self) -> list[tuple[TrialRow, float]]:
        """Trials with the value of their best record, by number.

        Raises:
            NoUsableTrialError: there are none.
        """
        if not self.ranking:
            raise NoUsableTrialError(f"Study {self.name!r} has no trial with a result to draw, of {len(self.trials)}.")
        values = [(trial, self.objective.value(record.metrics)) for trial, record in self.ranking]
        return sorted(values, key=lambda one: one[0].number)

    @property
    def finite(self) -> list[tuple[TrialRow, float]]:
        """Those of `usable` whose value has a place on a scale.

        Raises:
            NoUsableTrialError: there are none.
        """
        found = [(trial, value) for trial, value in self.usable if math.isfinite(value)]
        if not found:
            raise NoUsableTrialError(f"Study {self.name!r} has no trial with a finite result to draw.")
        return found

    @property
    def dimensions(self) -> dict[str, Dimension]:
        """Those of which more than one value can be drawn, in the space's order."""
        entries = [(entry.name, entry.dimension) for entry in self.space.entries]
        return {name: dimension for name, dimension in entries if len(getattr(dimension, "choices", "ab")) > 1}

    @cached_property
    def importances(self) -> Mapping[str, float]:
        """Each dimension's share of the variation of the objective, see `importance.importances`."""
        from gradfleet.study.plots.importance import importances  # imports Optuna, and scikit-learn with it

        return importances(self.dimensions, [(trial.config, value) for trial, value in self.usable])

    def chosen(self, names: Sequence[str], *, most: int, fewest: int = 1) -> dict[str, Dimension]:
        """The dimensions called so; without names the most important ones.

        Raises:
            SettingError: a name is not one of the space, or there are too few.
        """
        dimensions = self.dimensions
        if unknown := [unknown_name("dimension", name, dimensions) for name in names if name not in dimensions]:
            raise SettingError(unknown)
        if not names:
            names = list(self.importances)[:most]
        if len(names) < fewest:
            raise SettingError(f"This plot needs {fewest} dimensions, got {', '.join(names) or 'none'}.")
        return {name: dimensions[name] for name in names}

    def pair(self, names: Sequence[str]) -> dict[str, Dimension]:
        """The two dimensions called so; without names the most important two ranges that enough trials have both of.

        Raises:
            SettingError: as `chosen`.
        """
        chosen = self.chosen(names, most=len(self.dimensions), fewest=2)
        if names:
            return dict(list(chosen.items())[:2])
        configs = [set(trial.config) for trial, _ in self.usable]
        ranges = [name for name in chosen if not hasattr(chosen[name], "choices")]
        together = {pair: sum({*pair} <= config for config in configs) for pair in combinations(ranges, 2)}
        enough = [pair for pair, count in together.items() if count >= len(configs) / 4]
        found = [*enough, *sorted(together, key=lambda pair: -together[pair]), tuple(list(chosen)[:2])][0]
        return {name: chosen[name] for name in found}


def short(name: str) -> str:
    """A dimension's name for an axis: at most its last three parts."""
    return ".".join(name.split(".")[-2:]) if name.count(".") > 1 else name
