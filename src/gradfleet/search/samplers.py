"""Samplers by name, made anew for every trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from gradfleet.errors import SettingError, unknown_name
from gradfleet.goal import Aim
from gradfleet.search.curve_sampler import CurveSampler
from gradfleet.search.space import SearchSpace

SamplerChoice = str | BaseSampler | Callable[[int], BaseSampler]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a sampler may know of the search that it draws for.

    Attributes:
        epochs: of one trial at most.
    """

    space: SearchSpace
    aim: Aim
    epochs: int


def _curves(seed: int, search: Search) -> BaseSampler:
    # A record of repeated runs is the mean of those so far: the first ones, of one run each, are no better for it.
    return CurveSampler(search.space, epochs=search.epochs, seed=seed, keeps_best=search.aim.num_runs == 1)


def _tpe(seed: int, search: Search) -> BaseSampler:
    # Multivariate over what every trial has, one by one within branches, and running trials count as bad ones:
    # all Optuna's defaults. Its `group`, which is experimental and warns, stays off.
    return TPESampler(seed=seed)


def _random(seed: int, search: Search) -> BaseSampler:
    return RandomSampler(seed=seed)


def _gp(seed: int, search: Search) -> BaseSampler:
    # What a branch alone has is drawn at random, which is no news to warn of at every trial.
    return GPSampler(seed=seed, warn_independent_sampling=False)


def _auto(seed: int, search: Search) -> BaseSampler:
    return (_tpe if named_for("auto", search.aim) == "tpe" else _curves)(seed, search)


def _cmaes(seed: int, search: Search) -> BaseSampler:
    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


def _nsga2(seed: int, search: Search) -> BaseSampler:
    return NSGAIISampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int, Search], BaseSampler]] = {
    "auto": _auto,
    "cmaes": _cmaes,
    "curves": _curves,
    "gp": _gp,
    "grid": _random,  # draws nothing: the study hands out what `search.grid.Grid` enumerates
    "nsga2": _nsga2,
    "random": _random,
    "tpe": _tpe,
}

ONE_OBJECTIVE = ("cmaes", "curves")
"""The samplers that cannot search for several objectives at once."""


def make_sampler(choice: SamplerChoice, search: Search, *, seed: int, number: int) -> BaseSampler:
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
    _check_kind(choice)
    if isinstance(choice, BaseSampler):
        return choice
    own = int(numpy.random.SeedSequence([seed, number]).generate_state(1)[0])
    return SAMPLERS[choice](own, search) if isinstance(choice, str) else _made(choice, own)


def _made(make: Callable[[int], BaseSampler], seed: int) -> BaseSampler:
    """
    Raises:
        SettingError: the function raises, or what it makes is no sampler.
    """
    try:
        made = make(seed)
    except Exception as error:
        raise SettingError(f"{sampler_name(make)}({seed}) makes no sampler: {type(error).__name__}: {error}") from error
    if not isinstance(made, BaseSampler):
        raise SettingError(f"A function of a seed makes an Optuna sampler, got {made!r} from {sampler_name(make)}.")
    return made


def named_for(choice: SamplerChoice, aim: Aim) -> SamplerChoice:
    """What "auto" stands for: "curves", or "tpe" for several objectives or constraints; other choices as they are."""
    if choice != "auto":
        return choice
    return "tpe" if len(aim.objectives) > 1 or aim.constraints else "curves"


def sampler_name(choice: SamplerChoice) -> str:
    """How a study's spec calls it: its name, else that of its class or function."""
    if isinstance(choice, str):
        return choice
    return type(choice).__name__ if isinstance(choice, BaseSampler) else getattr(choice, "__qualname__", repr(choice))


def check_sampler(choice: SamplerChoice) -> None:
    """Refuse what is no sampler.

    Raises:
        SettingError: nobody knows the name, or the choice is neither a name nor a sampler nor what makes one; a
            function is called once.
    """
    _check_kind(choice)
    if not isinstance(choice, str | BaseSampler):
        _made(choice, 0)


def _check_kind(choice: SamplerChoice) -> None:
    if isinstance(choice, str):
        if choice not in SAMPLERS:
            raise SettingError(unknown_name("sampler", choice, SAMPLERS))
    elif not isinstance(choice, BaseSampler) and not callable(choice):
        raise SettingError(f"A sampler is a name, an Optuna sampler or a function of a seed, got {choice!r}.")


def check_aim(choice: SamplerChoice, aim: Aim) -> None:
    """Refuse a sampler that cannot search for this.

    Raises:
        SettingError: with the names of those that can.
    """
    name, count = sampler_name(choice), len(aim.objectives)
    if count > 1 and (choice in ONE_OBJECTIVE or isinstance(choice, CmaEsSampler)):
        raise SettingError(f"The sampler {name!r} takes one objective, got {count}. These take several: {_able()}.")
    if aim.constraints and choice == "curves":
        said = ", ".join(map(str, aim.constraints))
        raise SettingError(f"The sampler {name!r} takes no constraints, got {said}. These take some: {_able()}.")


def _able() -> str:
    return ", ".join(name for name in SAMPLERS if name not in ONE_OBJECTIVE)
