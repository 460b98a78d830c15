"""Samplers by name, made anew for every trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from gradfleet.errors import SettingError, unknown_name

SamplerChoice = str | BaseSampler | Callable[[int], BaseSampler]


def _tpe(seed: int) -> BaseSampler:
    # Multivariate over what every trial has, one by one within branches, and running trials count as bad ones:
    # all Optuna's defaults. Its `group`, which is experimental and warns, stays off.
    return TPESampler(seed=seed)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _gp(seed: int) -> BaseSampler:
    # What a branch alone has is drawn at random, which is no news to warn of at every trial.
    return GPSampler(seed=seed, warn_independent_sampling=False)


def _cmaes(seed: int) -> BaseSampler:
    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


def _nsga2(seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "cmaes": _cmaes,
    "gp": _gp,
    "grid": _random,  # draws nothing: the study hands out what `search.grid.Grid` enumerates
    "nsga2": _nsga2,
    "random": _random,
    "tpe": _tpe,
}

ONE_OBJECTIVE = ("cmaes",)
"""The samplers that cannot search for several objectives at once."""


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


def sampler_name(choice: SamplerChoice) -> str:
    """How a study's spec calls it: its name, else that of its class or function."""
    if isinstance(choice, str):
        return choice
    return type(choice).__name__ if isinstance(choice, BaseSampler) else getattr(choice, "__qualname__", repr(choice))


def check_objectives(choice: SamplerChoice, count: int) -> None:
    """Refuse a sampler that cannot search for so many objectives at once.

    Raises:
        SettingError: with the names of those that can.
    """
    if count > 1 and (choice in ONE_OBJECTIVE or isinstance(choice, CmaEsSampler)):
        able = ", ".join(name for name in SAMPLERS if name not in ONE_OBJECTIVE)
        raise SettingError(
            f"The sampler {sampler_name(choice)!r} takes one objective, got {count}. These take several: {able}."
        )
