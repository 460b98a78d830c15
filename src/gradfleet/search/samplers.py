"""Samplers by name, made anew for every trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from gradfleet.errors import SettingError, unknown_name

SamplerChoice = str | BaseSampler | Callable[[int], BaseSampler]


def _tpe(seed: int) -> BaseSampler:
    # Multivariate over what every trial has, one by one within branches, and running trials count as bad ones:
    # all Optuna's defaults. Its `group`, which is experimental and warns, stays off.
    return TPESampler(seed=seed)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {"random": _random, "tpe": _tpe}


def make_sampler(choice: SamplerChoice, *, seed: int, number: int) -> BaseSampler:
    """The sampler that draws trial `number` of a study with this seed.

    A sampler's random state dies with its process. One that is made anew for each trial, and seeded from the study's
    seed and the trial's number, depends only on the trials it sees: so a study that was interrupted draws what the
    uninterrupted one would have drawn.

    Args:
        choice: a name; a function of a seed, which has the same property; or an Optuna sampler, which is used as it
            is, with its own seed and state, and so may draw differently after an interruption.

    Raises:
        SettingError: nobody knows the name, or the choice is none of these.
    """
    if isinstance(choice, BaseSampler):
        return choice
    if isinstance(choice, str):
        if choice not in SAMPLERS:
            raise SettingError(unknown_name("sampler", choice, SAMPLERS))
        choice = SAMPLERS[choice]
    if not callable(choice):
        raise SettingError(f"A sampler is a name, an Optuna sampler or a function of a seed, got {choice!r}.")
    return choice(int(numpy.random.SeedSequence([seed, number]).generate_state(1)[0]))
