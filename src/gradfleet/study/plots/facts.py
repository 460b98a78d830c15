"""What a plot is drawn from: a study's trials, records and space at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from gradfleet.errors import NoUsableTrialError, SettingError, unknown_name
from gradfleet.goal import Aim
from gradfleet.search.space import SearchSpace
from gradfleet.study.ranking import ranked
from gradfleet.study.storage.rows import RecordRow, TrialRow

if TYPE_CHECKING:
    from gradfleet.search.dimensions import Dimension


@dataclass(frozen=True)
class PlotFacts:
    """A study as its plots see it.

    Attributes:
        trials: all, by number.
        records: all, by trial and epoch.
        space: what is searched now.
        now: Unix time; where the bars of running trials end.
    """

    name: str
    objective: Aim
    trials: Sequence[TrialRow]
    records: Sequence[RecordRow]
    space: SearchSpace
    now: float

    @cached_property
    def ranking(self) -> list[tuple[TrialRow, RecordRow]]:
        """The trials that may be best with their best records, best first."""
        by_number = {trial.number: trial for trial in self.trials}
        order = ranked(self.trials, self._best_records, self.objective)
        return [(by_number[number], record) for number, record in order]

    @cached_property
    def curves(self) -> Mapping[int, list[RecordRow]]:
        """The records of each trial that has any, in order of epoch."""
        found: dict[int, list[RecordRow]] = {}
        for record in self.records:
            found.setdefault(record.number, []).append(record)
        return found

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

    @property
    def _best_records(self) -> list[RecordRow]:
        best = {(trial.number, trial.best_epoch) for trial in self.trials}
        return [record for record in self.records if (record.number, record.epoch) in best]


def short(name: str) -> str:
    """A dimension's name for an axis: at most its last three parts."""
    return ".".join(name.split(".")[-2:]) if name.count(".") > 1 else name
