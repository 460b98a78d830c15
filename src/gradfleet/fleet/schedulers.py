"""Names of schedulers, and Ray's schedulers behind them: who may train on, epoch by epoch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from gradfleet.errors import SettingError, unknown_name
from gradfleet.objective import Objective
from gradfleet.study.scheduler import NoScheduler, Scheduler
from gradfleet.training.history import EpochRecord

KNOWN = ("asha", "none")


def make_scheduler(name: str | None, *, objective: Objective, epochs: int) -> Scheduler:
    """The scheduler of that name for trials of up to `epochs` epochs.

    "asha" is asynchronous successive halving (Li et al., 2020, arXiv:1810.05934) with a reduction factor of 3, one
    bracket, and a first rung at a ninth of `epochs`, at least 1. "none" or None lets every trial run to its end.

    Raises:
        SettingError: no scheduler has that name.
    """
    if name is None or name == "none":
        return NoScheduler()
    if name == "asha":
        return AshaScheduler(objective, epochs=epochs)
    raise SettingError(unknown_name("scheduler", name, KNOWN))


class AshaScheduler:
    """Ray's ASHA, fed by trial number.

    Tune's own trial ids would enter a resumed trial into a rung twice; stand-ins that carry the study's number enter
    it once, however often it was started. One bracket, so that nothing random decides who is compared with whom and
    the rungs can be rebuilt from the store's records alone.
    """

    def __init__(self, objective: Objective, *, epochs: int, reduction_factor: float = 3) -> None:
        self._objective = objective
        self._epochs = epochs
        self._known: set[int] = set()
        self._asha = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="value",
            mode=objective.mode,
            max_t=max(epochs, 1),
            grace_period=max(1, epochs // 9),
            reduction_factor=reduction_factor,
        )

    def goes_on(self, number: int, record: EpochRecord) -> bool:
        """Whether the trial may train on. NaN never may: it would poison its rung's cutoff."""
        value = self._objective.value(record.metrics)
        if value != value:
            return False
        trial = self._stand_in(number)
        decision = self._asha.on_trial_result(None, trial, {"epoch": record.epoch, "value": value})  # type: ignore[arg-type]
        # ASHA also answers STOP at its maximum; a trial that has all its epochs is complete, not stopped.
        return decision != TrialScheduler.STOP or record.epoch >= self._epochs

    def ended(self, number: int, record: EpochRecord) -> None:
        """The trial's last record enters the rungs that `goes_on` left open, as Tune's own completion does."""
        value = self._objective.value(record.metrics)
        if value != value:
            return
        trial = self._stand_in(number)
        result = {"epoch": record.epoch, "value": value}
        self._asha.on_trial_complete(None, trial, result)  # type: ignore[arg-type]

    def _stand_in(self, number: int) -> Any:
        trial = SimpleNamespace(trial_id=number)
        if number not in self._known:
            self._known.add(number)
            self._asha.on_trial_add(None, trial)  # type: ignore[arg-type]
        return trial
