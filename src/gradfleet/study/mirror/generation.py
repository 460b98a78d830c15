"""A generation: the Optuna study that samplers and dashboards see, kept equal to what our own tables say."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from optuna.samplers import BaseSampler
from optuna.trial import TrialState as OptunaState
from sqlalchemy import Connection

from gradfleet.errors import SpaceError, StoreError
from gradfleet.search.carrying import carried_over
from gradfleet.search.grid import Grid, Remaining
from gradfleet.search.space import SearchSpace
from gradfleet.study.mirror.mirror import Direction, Mirror
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import RecordRow, StudyRow, TrialRow, TrialState
from gradfleet.study.storage.store import Store

if TYPE_CHECKING:
    from gradfleet.trials.plan import Config, Value


class Generation:
    """Asks a sampler for configurations and tells it what became of them.

    Our own tables are written first and are the truth; `reconcile` brings Optuna's to where they are.

    Args:
        sampler_factory: makes the sampler for one trial number, so that a study that was interrupted goes on as it
            would have gone without.
        portfolio: configurations to try after the default one, before the sampler's; those that were tried are not
            tried again.
        lease: that of the driver; None where only one program can write.
        grid: configurations to try instead of the sampler's, each once; the search ends with them.
    """

    def __init__(
        self,
        store: Store,
        study: StudyRow,
        sampler_factory: Callable[[int], BaseSampler],
        *,
        portfolio: Sequence[Config] = (),
        lease: Lease | None = None,
        grid: Grid | None = None,
    ) -> None:
        *_, row = generations = store.generations(study.id)
        self._spaces = [SearchSpace.from_json(each.space) for each in generations]
        self.number = row.number
        self.optuna_name = row.optuna_name
        self._objective = study.objective
        self._make_sampler = sampler_factory
        self._portfolio = list(portfolio)
        self._remaining = None if grid is None else Remaining(grid)
        directions: list[Direction] = [
            "maximize" if objective.mode == "max" else "minimize" for objective in study.objective.objectives
        ]
        self._mirror = Mirror(store.database, row.optuna_name, directions=directions, lease=lease)
        self._known: set[int] = set()
        self._places: dict[int, int | None] = {}

    def write_with(self, write: Callable[[Callable[[Connection], object]], None]) -> None:
        """Have Optuna's tables written by somebody who writes more in the same transactions."""
        self._mirror.write = write

    @property
    def exhausted(self) -> bool:
        """Whether there is nothing left to try: a grid ends, and some samplers of Optuna's do."""
        return self._mirror.stopped or (self._remaining is not None and self._remaining.done)

    def place(self, number: int) -> int | None:
        """Optuna's number for one of the study's trials; None for one that is not of this generation's space."""
        return self._places[number]

    def reconcile(self, rows: Sequence[TrialRow], records: Sequence[RecordRow] = ()) -> None:
        """Report and tell what Optuna lacks of our trials, after copying in those of earlier generations.

        A trial that only Optuna has waits for the next `ask`.

        Raises:
            StoreError: Optuna lacks one of our trials altogether.
        """
        own = {row.number: row.optuna_number for row in rows if row.generation == self.number}
        missing = set(own.values()) - self._mirror.numbers()
        if missing:
            raise StoreError(
                f"The Optuna study {self.optuna_name!r} lacks trial {min(missing)}, which the store has. "
                "Was it deleted by another program? Start a new study, with the best configurations as its portfolio."
            )
        self._places = {**own}
        self._copy([row for row in rows if row.generation != self.number])
        self._known = {place for place in self._places.values() if place is not None}
        for row in rows:
            config = carried_over(row.config, old=self._spaces[row.generation], new=self._spaces[-1])
            if config is not None:
                self._take(config)
        ours = {row.number: row for row in rows}
        best: dict[int, Mapping[str, float]] = {}
        for record in records:
            if set(self._objective.metrics) <= set(record.metrics):
                row = ours[record.number]
                self.report(self.place(row.number), record.epoch, self._objective.value(record.metrics))
                if record.epoch == row.best_epoch:
                    best[record.number] = record.metrics
        for row in rows:
            if row.state != "RUNNING":
                self.tell(self.place(row.number), row.state, best.get(row.number))

    def _take(self, config: dict[str, Value]) -> None:
        """This configuration is tried, whoever wanted it."""
        self._portfolio = [each for each in self._portfolio if each != config]
        if self._remaining is not None:
            self._remaining.take(config)

    def _copy(self, earlier: Sequence[TrialRow]) -> None:
        """Earlier generations' trials as trials of this one, where its space has their configuration.

        What a killed driver has copied is known by its mark.
        """
        there = self._mirror.copies()
        for row in earlier:
            config = carried_over(row.config, old=self._spaces[row.generation], new=self._spaces[-1])
            if config is not None and row.number not in there:
                there[row.number] = self._mirror.copy(row.number, self._spaces[-1], config)
            self._places[row.number] = there.get(row.number)

    def ask(
        self, space: SearchSpace, number: int, given: dict[str, Value] | None = None
    ) -> tuple[int, dict[str, Value]]:
        """The next trial, as Optuna's number and a configuration.

        Args:
            number: the study's own trial number; 0 gets the space's default configuration, those after it what is
                left of the portfolio.
            given: the configuration, where somebody else has decided it.

        Raises:
            SpaceError: a configuration of the portfolio is not one of the space.
        """
        given = self._given(space, number) if given is None else given
        self._mirror.study.sampler = self._make_sampler(number)
        asked = self._adopt(space, given) or self._new(space, given)
        self._known.add(asked[0])
        self._places[number] = asked[0]
        self._take(asked[1])
        return asked

    def again(self, space: SearchSpace, number: int, config: Config) -> int | None:
        """A new trial of Optuna's for one of ours that failed; None where its configuration is of another space."""
        try:
            given = space.validate(config)
        except SpaceError:
            return None
        self._mirror.study.sampler = self._make_sampler(number)
        asked, _ = self._new(space, given)
        self._known.add(asked)
        self._places[number] = asked
        return asked

    def report(self, optuna_number: int | None, epoch: int, value: float) -> None:
        """Hand Optuna the objective's value of one epoch; the same epoch again changes nothing.

        With several objectives it takes none.
        """
        if optuna_number is None or len(self._objective.objectives) > 1:
            return
        trial = self._mirror.trial(optuna_number)
        if trial.state is OptunaState.RUNNING and epoch not in trial.intermediate_values:
            self._mirror.report(optuna_number, epoch, value)

    def tell(self, optuna_number: int | None, state: TrialState, metrics: Mapping[str, float] | None = None) -> None:
        """Hand Optuna a trial's end; again changes nothing.

        Optuna keeps the last reported value of a PRUNED trial and none of a FAIL one. It takes no COMPLETE without
        numbers, so that is told as FAIL. With several objectives its samplers know no PRUNED, so such a trial is told
        as COMPLETE with the values that it reached.

        Args:
            metrics: of the trial's best record.
        """
        if optuna_number is None or self._mirror.trial(optuna_number).state.is_finished():
            return
        if metrics is not None:
            self._mirror.constrain(optuna_number, self._objective.excesses(metrics))
        values = [(metrics or {}).get(objective.metric, math.nan) for objective in self._objective.objectives]
        usable = not any(map(math.isnan, values))
        if usable and (state == "COMPLETE" or (state == "PRUNED" and len(values) > 1)):
            self._mirror.tell(optuna_number, OptunaState.COMPLETE, values)
        else:
            pruned = state == "PRUNED" and len(values) == 1
            self._mirror.tell(optuna_number, OptunaState.PRUNED if pruned else OptunaState.FAIL, None)

    def _given(self, space: SearchSpace, number: int) -> dict[str, Value] | None:
        if number == 0:
            return space.default()
        if self._portfolio:
            return space.validate(self._portfolio.pop(0))
        return None if self._remaining is None else self._remaining.next()

    def _new(self, space: SearchSpace, given: dict[str, Value] | None) -> tuple[int, dict[str, Value]]:
        with self._mirror.new_trial(given) as trial:
            config = space(trial)
        return trial.number, config

    def _adopt(self, space: SearchSpace, given: dict[str, Value] | None) -> tuple[int, dict[str, Value]] | None:
        """A trial that a driver asked for and was killed before it could note it down."""
        for orphan in self._mirror.running():
            if orphan.number in self._known:
                continue
            with contextlib.suppress(ValueError):  # made for another space
                config = self._mirror.finish_suggesting(orphan, space)
                if set(orphan.params) <= set(config) and given in (None, config):
                    return orphan.number, config
            self.tell(orphan.number, "FAIL")
        return None
