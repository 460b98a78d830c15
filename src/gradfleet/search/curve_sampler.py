"""The default search strategy as an Optuna sampler: it reads a study's trials and draws whole configurations.

Spreads the first trials over the space, then alternates between a Gaussian process and a forest of extremely
randomised trees. Both model the *final* score of a configuration; that of a trial which was stopped is extrapolated
from its learning curve. See `gradfleet.search.curves.proposer`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from gradfleet.errors import SpaceError
from gradfleet.search.curves.knowledge import Past
from gradfleet.search.curves.proposer import Proposer
from gradfleet.search.dimensions import Dimension
from gradfleet.search.ranges import Float, Int
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Config

WINDOW = 256
"""Trials that are looked at: the best third by their last values, and the newest beside them. So an ask costs the same
after 200 and after 5,000 trials."""


class CurveSampler(BaseSampler):
    """Draws a trial of a study with one objective and no constraints.

    What it draws depends on the seed, the trial's number and the trials that are there, and on nothing else.

    Args:
        epochs: of one trial at most.
        keeps_best: whether a trial is worth its best record; otherwise its last one, as where records are means over
            more and more runs.
    """

    def __init__(self, space: SearchSpace, *, epochs: int, seed: int, keeps_best: bool = True) -> None:
        self._space = space
        self._epochs = epochs
        self._seed = seed
        self._proposer = Proposer(space, epochs=epochs, keeps_best=keeps_best)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every dimension, whatever its branch: which of them are drawn is `sample_relative`'s to say."""
        return {entry.name: _distribution(entry.dimension) for entry in self._space.entries}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)
        trials = [one for one in study.get_trials(deepcopy=False, states=states) if one.number != trial.number]
        past = [known for one in _window(trials, sign) if (known := self._past(one, sign)) is not None]
        rng = numpy.random.default_rng(self._seed)
        return self._proposer.propose(past, rng, turn=trial.number, tried=self._tried(trials))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Evenly: for what is no dimension of the space."""
        sampler = RandomSampler(seed=self._seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _past(self, trial: FrozenTrial, sign: float) -> Past | None:
        """None for a trial of another space, which only a broken one can be."""
        config: Config = trial.params
        if trial.state == TrialState.FAIL and not _is_of(self._space, config):
            return None
        curve = {epoch: sign * each for epoch, each in trial.intermediate_values.items() if math.isfinite(each)}
        if trial.state == TrialState.RUNNING:
            return Past(config, curve, "running")
        if trial.state == TrialState.COMPLETE and math.isfinite(trial.values[0]):
            last = max([self._epochs, *curve])
            return Past(config, {**curve, last: sign * trial.values[0]}, "complete")
        if trial.state == TrialState.PRUNED and curve:
            return Past(config, curve, "stopped")
        return Past(config, {}, "failed")

    def _tried(self, trials: Sequence[FrozenTrial]) -> Collection[bytes]:
        """The configurations out of the window, where a space can be exhausted at all."""
        encoding = self._proposer.encoding
        if len(trials) <= WINDOW or not encoding.is_finite:
            return ()
        configs = [one.params for one in trials if one.state != TrialState.FAIL]
        return encoding.keys(encoding.rows(configs))


def _window(trials: Sequence[FrozenTrial], sign: float) -> Iterable[FrozenTrial]:
    """At most `WINDOW` of them, in order."""
    if len(trials) <= WINDOW:
        return trials
    best = heapq.nlargest(WINDOW // 3, range(len(trials)), key=lambda place: _value(trials[place], sign))
    chosen = set(best)
    for place in range(len(trials) - 1, -1, -1):
        if len(chosen) == WINDOW:
            break
        chosen.add(place)
    return [trials[place] for place in sorted(chosen)]


def _value(trial: FrozenTrial, sign: float) -> float:
    values = trial.values
    return sign * values[0] if values and math.isfinite(values[0]) else -math.inf


def _is_of(space: SearchSpace, config: Config) -> bool:
    try:
        space.validate(config)
    except SpaceError:
        return False
    return True


def _distribution(dimension: Dimension) -> BaseDistribution:
    """As Optuna's trials record what the dimension suggests."""
    if isinstance(dimension, Float):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
    if isinstance(dimension, Int):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
    return CategoricalDistribution(dimension.choices)
