"""A generation: the Optuna study that samplers and dashboards see, kept equal to what our own tables say."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from optuna.samplers import BaseSampler
from optuna.trial import TrialState as OptunaState

from gradfleet.errors import SpaceError, StoreError
from gradfleet.search.space import SearchSpace
from gradfleet.study.lease import Lease
from gradfleet.study.mirror import Direction, Mirror
from gradfleet.study.rows import RecordRow, StudyRow, TrialRow, TrialState
from gradfleet.study.store import Store

if TYPE_CHECKING:
    from gradfleet.trials.plan import Config, Value


class Generation:
    """Asks a sampler for configurations and tells it what became of them.

    Our own tables are written first and are the truth; `reconcile` brings Optuna's to where they are.

    Args:
        sampler_factory: makes the sampler for one trial number, so that a study that was interrupted goes on as it
            would have gone without.
        portfolio: configurations to try after the default one, before the sampler's.
        lease: that of the driver; None where only one program can write.
    """

    def __init__(
        self,
        store: Store,
        study: StudyRow,
        sampler_factory: Callable[[int], BaseSampler],
        *,
        portfolio: Sequence[Config] = (),
        lease: Lease | None = None,
    ) -> None:
        row = store.generations(study.id)[-1]
        self.number = row.number
        self.optuna_name = row.optuna_name
        self._objective = study.objective
        self._make_sampler = sampler_factory
        self._portfolio = portfolio
        directions: list[Direction] = [
            "maximize" if objective.mode == "max" else "minimize" for objective in study.objective.objectives
        ]
        self._mirror = Mirror(store.database, row.optuna_name, directions=directions, lease=lease)
        self._known: set[int] = set()

    def reconcile(self, rows: Sequence[TrialRow], records: Sequence[RecordRow] = ()) -> None:
        """Report and tell what Optuna lacks of our trials. A trial that only Optuna has waits for the next `ask`.

        Raises:
            StoreError: Optuna lacks one of our trials altogether.
        """
        ours = {row.number: row for row in rows if row.generation == self.number}
        self._known = {row.optuna_number for row in ours.values()}
        missing = self._known - self._mirror.numbers()
        if missing:
            raise StoreError(
                f"The Optuna study {self.optuna_name!r} lacks trial {min(missing)}, which the store has. "
                "Was it deleted by another program? Start a new study, with the best configurations as its portfolio."
            )
        best: dict[int, Mapping[str, float]] = {}
        for record in records:
            if record.number in ours and set(self._objective.metrics) <= set(record.metrics):
                row = ours[record.number]
                self.report(row.optuna_number, record.epoch, self._objective.value(record.metrics))
                if record.epoch == row.best_epoch:
                    best[record.number] = record.metrics
        for row in ours.values():
            if row.state != "RUNNING":
                self.tell(row.optuna_number, row.state, best.get(row.number))

    def ask(self, space: SearchSpace, number: int) -> tuple[int, dict[str, Value]]:
        """The next trial, as Optuna's number and a configuration.

        Args:
            number: the study's own trial number; 0 gets the space's default configuration, those after it the
                portfolio's.

        Raises:
            SpaceError: a configuration of the portfolio is not one of the space.
        """
        given = self._given(space, number)
        self._mirror.study.sampler = self._make_sampler(number)
        asked = self._adopt(space, given) or self._new(space, given)
        self._known.add(asked[0])
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
        return asked

    def report(self, optuna_number: int, epoch: int, value: float) -> None:
        """Hand Optuna the objective's value of one epoch; the same epoch again changes nothing.

        With several objectives it takes none.
        """
        if len(self._objective.objectives) > 1:
            return
        trial = self._mirror.trial(optuna_number)
        if trial.state is OptunaState.RUNNING and epoch not in trial.intermediate_values:
            self._mirror.report(optuna_number, epoch, value)

    def tell(self, optuna_number: int, state: TrialState, metrics: Mapping[str, float] | None = None) -> None:
        """Hand Optuna a trial's end; again changes nothing.

        Optuna keeps the last reported value of a PRUNED trial and none of a FAIL one. It takes no COMPLETE without
        numbers, so that is told as FAIL. With several objectives its samplers know no PRUNED, so such a trial is told
        as COMPLETE with the values that it reached.

        Args:
            metrics: of the trial's best record.
        """
        if self._mirror.trial(optuna_number).state.is_finished():
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
        if number > len(self._portfolio):
            return None
        return space.validate(self._portfolio[number - 1])

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
