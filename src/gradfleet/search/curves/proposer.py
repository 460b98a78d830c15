"""The next configuration of a search, from what the earlier ones reached."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import islice

import numpy

from gradfleet.search.curves.axes import Array
from gradfleet.search.curves.encoding import Encoding
from gradfleet.search.curves.knowledge import Knowledge, Past
from gradfleet.search.curves.threads import one_thread
from gradfleet.search.grid import Grid
from gradfleet.search.space import SearchSpace
from gradfleet.search.suggester import Config

STARTUP = 8
"""Trials that are spread over the space before a model is asked."""

LEAST_KNOWN = 3
"""Trials with a score that a model needs."""

CANDIDATES = 64
"""Few on purpose: the model's best of thousands is often where it errs most."""

RANDOM_SHARE = 0.15
"""Of trials that are drawn evenly, so that no error of the models lasts for ever."""

_INCUMBENTS = 5
_MUTATION_SCALES = (0.02, 0.3)


class Proposer:
    """Models the final score over the space, and proposes where it is expected to improve most.

    A Gaussian process and a forest of extremely randomised trees take turns: each finds what the other is blind to.
    Scores of trials that ended early are what they would have reached, less certain the earlier they ended. The first
    trials, and a share of all later ones, owe nothing to a model.

    Attributes:
        encoding: of configurations as rows, and their keys.

    Args:
        epochs: the last epoch of a trial.
        keeps_best: a trial is worth its best record; otherwise its last one.
    """

    def __init__(self, space: SearchSpace, *, epochs: int, keeps_best: bool = True) -> None:
        self._space = space
        self.encoding = Encoding(space)
        self._epochs = epochs
        self._keeps_best = keeps_best

    def propose(
        self, past: Sequence[Past], rng: numpy.random.Generator, *, turn: int, tried: Collection[bytes] = ()
    ) -> Config:
        """What the next trial trains.

        Args:
            turn: the trial's number; the models take turns by it.
            tried: keys of the encoding beside those of `past` that are not to be proposed again.
        """
        rows = self.encoding.rows([one.config for one in past])
        tried = {*self.encoding.keys(rows), *tried}
        known = sum(bool(one.curve) for one in past)
        if len(past) < STARTUP or known < LEAST_KNOWN or not self.encoding.num_varying:
            return self.encoding.config(self._farthest(rows, rng, tried))
        if rng.random() < RANDOM_SHARE:
            return self.encoding.config(self._untried(self.encoding.draw(rng, CANDIDATES), tried)[0])
        knowledge = Knowledge.of(past, rows, epochs=self._epochs, keeps_best=self._keeps_best)
        return self.encoding.config(self._most_promising(knowledge, rng, turn, tried))

    def _farthest(self, rows: Array, rng: numpy.random.Generator, tried: Collection[bytes]) -> Array:
        """Of some drawn evenly, the one that is farthest from all that were tried."""
        drawn = self._untried(self.encoding.draw(rng, CANDIDATES), tried)
        if not len(rows):
            return drawn[0]
        ours, theirs = self.encoding.smooth(drawn), self.encoding.smooth(rows)
        distances = ((ours[:, None] - theirs[None]) ** 2).sum(axis=2).min(axis=1)
        return drawn[distances.argmax()]

    def _most_promising(
        self, known: Knowledge, rng: numpy.random.Generator, turn: int, tried: Collection[bytes]
    ) -> Array:
        from gradfleet.search.curves.outlook import Outlook  # scipy takes a while, and the first trials need none of it

        look = Outlook.from_process if turn % 2 else Outlook.from_trees
        with one_thread():
            outlook = look(known, self.encoding, rng)
            candidates = self._untried(self._candidates(outlook.best_first, rng), tried)
            ties = 1e-6 * rng.random(len(candidates))  # trees expect the same of many
            return candidates[(outlook.gains(candidates) + ties).argmax()]

    def _candidates(self, best_first: Array, rng: numpy.random.Generator) -> Array:
        """Half of them drawn evenly, half near the configurations that the model thinks best."""
        half = CANDIDATES // 2
        drawn = self.encoding.draw(rng, half)
        parents = numpy.repeat(best_first[:_INCUMBENTS], -(-half // _INCUMBENTS), axis=0)[:half]
        least, most = map(math.log, _MUTATION_SCALES)
        scales = numpy.exp(rng.uniform(least, most, size=len(parents)))
        return numpy.concatenate([drawn, self.encoding.mutated(rng, parents, scales)])

    def _untried(self, rows: Array, tried: Collection[bytes]) -> Array:
        """Those that were not tried; where all were and the space is finite, the first of those that are left there.

        Where nothing is left, all of them.
        """
        fresh = [key not in tried for key in self.encoding.keys(rows)]
        if any(fresh) or not self.encoding.is_finite:
            return rows[fresh] if any(fresh) else rows
        every = (self.encoding.rows([config]) for config in Grid(self._space))
        left = list(islice((row for row in every if self.encoding.keys(row)[0] not in tried), CANDIDATES))
        return numpy.concatenate(left) if left else rows
