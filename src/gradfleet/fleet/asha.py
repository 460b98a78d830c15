"""Ray's ASHA, fed from the store's records."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from gradfleet.objective import Objective
from gradfleet.training.history import EpochRecord


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
