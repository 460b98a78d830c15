"""A recipe from a user's own training function."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol

from gradfleet.data.prepared import DataFacts
from gradfleet.errors import ExecutionError, SettingError, TrialStopped
from gradfleet.training.history import EpochRecord
from gradfleet.training.state.seeding import seed_everything
from gradfleet.trials import checkpoints
from gradfleet.trials.plan import TrialPlan, Value
from gradfleet.trials.recipe import Predictor, Report
from gradfleet.trials.sources import digest_of, name_of
from gradfleet.trials.space import no_space


class Tell(Protocol):
    """What a training function calls after each epoch.

    `metrics` is a dict of numbers, `epoch` counts from 1 (the next one when not given), `checkpoint` is a folder that
    is copied to the study's artifacts.

    Raises:
        TrialStopped: the trial must end now, or has had all its epochs; a BaseException, so that `except Exception`
            lets it through.
        SettingError: `metrics` is no dict of numbers, or `epoch` no whole number of at least 1.
    """

    def __call__(
        self, metrics: Mapping[str, float], epoch: int | None = None, checkpoint: str | Path | None = None
    ) -> None: ...

    def resume(self) -> Path | None:
        """The folder that this trial, or the one it is a copy of, reported last as its checkpoint; None for a start.

        Epochs are counted on from there. A function that does not ask begins anew, and what it reports of epochs that
        are known is not kept again.
        """
        ...


class TrainFunction(Protocol):
    """`train(config, report)`: trains with the flat `config` and calls `report(metrics)` after each epoch."""

    def __call__(self, config: dict[str, Value], report: Tell, /) -> None: ...


@dataclass(frozen=True, slots=True)
class FunctionRecipe:
    """Anything that trains, as a recipe: Lightning, skorch, Ignite, fastai, or a loop of one's own.

    Python, NumPy and torch are seeded from the trial's seed before it is called, so that a trial can be replayed.
    """

    train: TrainFunction

    def run(self, plan: TrialPlan, report: Report) -> None:
        seed_everything(plan.seed)
        self.train(dict(plan.config), _Teller(plan, report))

    def load(self, checkpoint: Path) -> Predictor:
        """A function's checkpoint is a folder that only its author can read.

        Raises:
            ExecutionError: always; the folder is named.
        """
        raise ExecutionError(f"This study was trained by a function: load its checkpoint yourself from {checkpoint}.")

    @property
    def brings_data(self) -> bool:
        return True

    def missing(self, *, has_data: bool) -> list[str]:
        return []

    @property
    def name(self) -> str:
        """Of the function, as a study's spec has it."""
        return name_of(self.train)

    def functions(self) -> list[Callable[..., Any]]:
        return [self.train]

    def identity(self) -> dict[str, Any]:
        return {"train": digest_of(self.train)}

    def record_names(self, facts: DataFacts) -> None:
        """Nobody knows before it has run."""


class _Teller:
    """What a training function gets as its `report`."""

    def __init__(self, plan: TrialPlan, report: Report) -> None:
        self._plan = plan
        self._report = report
        self._last = 0

    def __call__(
        self, metrics: Mapping[str, float], epoch: int | None = None, checkpoint: str | Path | None = None
    ) -> None:
        numbers = _numbers(metrics)
        self._last = self._last + 1 if epoch is None else _counted(epoch)
        if self._last > self._plan.epochs:
            raise TrialStopped
        address = None
        # An epoch that was recorded keeps the checkpoint that was measured then.
        if checkpoint is not None and self._plan.checkpoints is not None and self._last > self._plan.recorded:
            place = checkpoints.epoch_address(self._plan.checkpoints, self._last)
            address = checkpoints.write(place, partial(_copy, Path(checkpoint)))
        self._report(EpochRecord(self._last, numbers), address)

    def resume(self) -> Path | None:
        if self._plan.resume is None:
            return None
        self._last = checkpoints.epoch_of(self._plan.resume)
        return checkpoints.fetch(self._plan.resume)


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    """
    Raises:
        SettingError: it is no dict of numbers; what is none is named.
    """
    if not isinstance(metrics, Mapping):
        raise SettingError(f"report takes numbers by name, such as {{'val_loss': 0.31}}, got {metrics!r:.60}.")
    found: dict[str, float] = {}
    for name, value in metrics.items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError, RuntimeError) as error:  # the last is torch's, of several numbers at once
            raise SettingError(f"report takes numbers by name, and {name!r} is none: {value!r:.60}.") from error
    return found


def _counted(epoch: int) -> int:
    """
    Raises:
        SettingError: it is no whole number of at least 1; records of other epochs would be lost without a word.
    """
    if isinstance(epoch, bool) or not isinstance(epoch, Integral) or epoch < 1:
        raise SettingError(
            f"Epochs count from 1: report(..., epoch=) takes a whole number of at least 1, got {epoch!r}. Leave it out "
            "to have them counted, or pass epoch + 1 where yours count from 0."
        )
    return int(epoch)


def _copy(folder: Path, place: Path) -> None:
    """All of a folder or, should this process die, nothing."""
    unfinished = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        shutil.copytree(folder, unfinished, copy_function=_copy_file)
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy_file(source: str, target: str) -> str:
    """`copytree` makes one text of all that failed, in which a full disk looks like anything else."""
    try:
        return shutil.copy2(source, target)
    except OSError as error:
        raise (no_space(error) or error) from None
